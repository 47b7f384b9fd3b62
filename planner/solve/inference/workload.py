"""One way to serve a model: its formats and split, its memory by part, its times, its capacities; plain functions.

The formulas stand in planner/physics; here they meet what a workload says. Where a function takes amounts it takes
whole numbers and arrays of them alike, so that a table of candidates and a single one come out the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from fractions import Fraction
from typing import Any

from planner.catalog.catalog import Catalog
from planner.catalog.programs.engine_models import EngineModel
from planner.catalog.programs.engines import Engine
from planner.catalog.records import Format, Gpu, Model, Recovery
from planner.language.problem import Measurement, Problem, Value, Workload
from planner.physics import inference, quality
from planner.physics.inference import Profile
from planner.record import dataclass
from planner.solve.inference import layerwise
from planner.solve.parallelism import Split
from planner.solve.rent.rental import largest_hosts
from planner.solve.stated import number


@dataclass(frozen=True, slots=True)
class NumberFormats:
    """The number formats of a candidate; `weights` is a format's id or a mix of them, layer by layer."""

    weights: str
    kv_cache: str
    activations: str
    quantization: str


NUMBER_FORMATS = ("weights", "kv_cache", "activations", "quantization")
"""The decisions that are number formats, in the order of their fields."""


def formats_of(choice: Mapping[str, Value]) -> NumberFormats:
    """Return the formats of a choice."""
    return NumberFormats(*(str(choice[name]) for name in NUMBER_FORMATS))


@dataclass(slots=True)
class InferenceWorkload:
    """An inference workload with what its engine fills in; `known` keeps parts that were computed."""

    workload: Workload
    model: Model
    engine: Engine
    formats: Mapping[str, Format]
    measured: Callable[[str, str], Iterator[Recovery]]
    """The measured recoveries of a role that may speak of a format."""
    context: int
    concurrency: int
    prompt: int
    output: int
    demand: Fraction | None
    confidence: Fraction
    native_bits: Fraction
    known: dict[tuple[object, ...], Any] = field(default_factory=dict)
    extras: inference.Extras = field(default_factory=inference.Extras)
    by_sequence: bool = False
    cache_default: str = ""
    gpus: Mapping[str, Gpu] = field(default_factory=dict)
    hosts: Callable[[], dict[str, int]] = dict
    """The most GPUs on a host of what may be rented, by GPU."""
    measurements: tuple[Measurement, ...] = ()
    engine_model: EngineModel | None = None
    """What the engine makes of the model's class, where that is known."""
    draft_tokens: int = 0
    """Tokens that a draft model proposes in each step; 0 without one."""
    acceptance: float = 0.0
    """The share of them that is accepted."""
    several: bool = False
    """Whether a prefix or a draft model is asked for by more sequences than one."""

    @property
    def pooling(self) -> bool:
        """Whether requests are answered from their prompts alone: embeddings and scores."""
        return str(self.workload.given["task"]) != "generate"

    def parallelism(self, split: Split) -> inference.Parallelism:
        """Return a split as the memory of serving knows it."""
        return inference.Parallelism(split.tensor, split.pipeline, split.expert, self.by_sequence)

    def sharers(self, split: Split) -> int:
        """Return the ranks of a split that share the sequences."""
        return split.tensor if self.by_sequence else 1


def service(problem: Problem, workload: Workload, catalog: Catalog) -> InferenceWorkload:
    """Return a workload with its engine and what follows from what it says."""
    given = workload.given
    demand, confidence = given.get("demand"), given["confidence"]
    assert isinstance(confidence, Fraction)
    engine = str(given["engine"])
    native = problem.formats.get(workload.model.native_format)
    served = problem.engines.get(engine) or catalog.engines[engine]
    extras, accepted = _extras(problem, workload), given["acceptance"]
    assert isinstance(accepted, Fraction)
    return InferenceWorkload(
        workload=workload,
        model=_text_alone(workload.model) if served.encoder_apart and given["images"] is False else workload.model,
        engine=served,
        formats=problem.formats,
        measured=_measured(problem, catalog),
        context=number(workload, "context", 1),
        concurrency=number(workload, "concurrency", 1),
        prompt=number(workload, "prompt", 1),
        output=number(workload, "output", 0),
        demand=demand if isinstance(demand, Fraction) else None,
        confidence=confidence,
        native_bits=native.bits if native is not None and native.bits > 16 else Fraction(16),
        extras=extras,
        by_sequence=given["attention_parallel"] == "data",
        cache_default=_cache_default(problem, workload, served),
        gpus=problem.gpus,
        hosts=lambda: largest_hosts(problem, workload),
        measurements=problem.measurements,
        engine_model=_engine_model(workload.model, engine, catalog),
        draft_tokens=number(workload, "draft_tokens") if extras.draft else 0,
        acceptance=float(accepted),
        several=bool(number(workload, "shared_prefix") or given["draft_model"])
        and number(workload, "concurrency", 1) > 1,
    )


def _text_alone(model: Model) -> Model:
    """Return a model without its encoder; one whose layers read what the encoder makes keeps them."""
    arch = model.architecture
    if arch is None or not arch.opaque_params:
        return model
    text = replace(arch, opaque_params=0, vision=None)
    return replace(model, params=model.params - arch.opaque_params, architecture=text)


def _engine_model(model: Model, engine: str, catalog: Catalog) -> EngineModel | None:
    """Return what an engine makes of a model's class; None of a model without a type, or of an engine of the plan's."""
    return catalog.engine_models.get(f"{engine}/{model.model_type}") if model.model_type else None


def _cache_default(problem: Problem, workload: Workload, engine: Engine) -> str:
    """Return the format that the engine keeps this model's cache in by itself on every GPU of the plan, if it says."""
    arch = workload.model.architecture
    cards = [problem.gpus[str(name)] for name in workload.domains.get("gpu", ()) if str(name) in problem.gpus]
    for row in engine.cache_defaults:
        everywhere = not row.runs_on or (bool(cards) and all(card.compute_capability in row.runs_on for card in cards))
        if everywhere and (not row.families or (arch is not None and arch.family in row.families)):
            return row.format
    return ""


def _measured(problem: Problem, catalog: Catalog) -> Callable[[str, str], Iterator[Recovery]]:
    """Return the measured recoveries of a role (weights or kv_cache) that may speak of a format; no other is built."""
    rows = catalog.quality

    def measured_of(role: str, format_id: str) -> Iterator[Recovery]:
        formats = quality.related(format_id)
        by_row = zip(rows, rows.column("role"), rows.column("format"), strict=True)
        yield from (rows[key] for key, its, of in by_row if its == role and of in formats)
        yield from (row for row in problem.quality if row.role == role and row.format in formats)

    return measured_of


def _extras(problem: Problem, workload: Workload) -> inference.Extras:
    """Return what is loaded beside the model, and what of it stays on the host."""
    draft, model = None, workload.draft
    if model is not None:
        assert model.architecture is not None
        draft = (model.architecture, model.params, problem.formats[sixteen_bit(model.native_format)])
    return inference.Extras(
        number(workload, "adapters"),
        number(workload, "adapter_rank"),
        draft,
        number(workload, "offloaded_weights"),
        number(workload, "offloaded_cache"),
    )


def profile_of(service: InferenceWorkload, gpu: Gpu) -> Profile:
    """Return the engine at the plan's version on a GPU, with the plan's settings."""
    key = ("profile", gpu.id)
    if key not in service.known:
        usual = ("usual", gpu.id)
        if usual not in service.known:
            service.known[usual] = _profile(service, gpu, 0, 0)
        usual_profile: Profile = service.known[usual]
        running = 0 if service.by_sequence else service.concurrency
        read = _has_images(service.model) or usual_profile.whole_prompt or (running > usual_profile.max_sequences > 1)
        service.known[key] = _profile(service, gpu, service.context, running) if read else usual_profile
    cached: Profile = service.known[key]
    return cached


def _has_images(model: Model) -> bool:
    """Return whether a model has an encoder of images, whose memory follows from the context."""
    return model.architecture is not None and inference.encoder_of(model.architecture) is not None


def _profile(service: InferenceWorkload, gpu: Gpu, context: int, running: int) -> Profile:
    """Return the engine on a GPU, where so many sequences of a context run at once.

    The context matters to images and to whole prompts, the sequences to an engine that limits them and is not told how.
    """
    given = service.workload.given
    share = given.get("gpu_memory_utilization")
    version = given.get("engine_version")
    return inference.profile(
        service.engine,
        None if version is None else str(version),
        gpu,
        utilization=share if isinstance(share, Fraction) else None,
        max_sequences=number(service.workload, "max_sequences", 0) or None,
        max_batched_tokens=number(service.workload, "max_batched_tokens", 0) or None,
        context=context,
        running=running,
        prompt=service.prompt if context else 0,
        light_sampler=given["sampler"] == "flashinfer",
        eager=given["cuda_graphs"] is False,
        images=given["images"] is not False,
        all_to_all=str(given["all_to_all"]),
        adapters=service.extras.adapters,
        mixers=inference.traits(service.model.architecture),
        family=service.model.architecture.family if service.model.architecture is not None else "",
        narrow_cache=_narrow_cache(service),
        pooling=service.pooling,
        drafted=service.draft_tokens,
    )


def _narrow_cache(service: InferenceWorkload) -> bool:
    """Return whether every format that a plan offers its cache has fewer than 16 bits."""
    default = service.cache_default or sixteen_bit(service.model.native_format)
    return all(service.formats[str(name)].bits < 16 for name in service.workload.domains.get("kv_cache", (default,)))


def runs_at_once(service: InferenceWorkload, split: Split, gpu: Gpu) -> int | None:
    """Return how many sequences each replica runs at once where those are fewer than must be resident, else None.

    An engine takes what the plan says, or by itself enough for all; ranks that have sequences of their own are each an
    engine with a limit of its own.
    """
    if not (service.by_sequence or "max_sequences" in service.workload.given):
        return None
    most = profile_of(service, gpu).max_sequences * service.sharers(split)
    return most if most < service.concurrency else None


def small_batch(service: InferenceWorkload, gpu: Gpu) -> tuple[Fraction, int] | None:
    """Return the tokens of a batch and the fewest that the engine starts with, a token for each sequence that runs at
    once; None where it starts (vllm/config/scheduler.py: "must be greater than or equal to max_num_seqs")."""
    profile = profile_of(service, gpu)
    if not service.engine.batch_of_sequences or profile.max_sequences <= profile.max_batched_tokens:
        return None
    return Fraction(profile.max_batched_tokens), profile.max_sequences


SIXTEEN = ("bf16", "fp16")


def sixteen_bit(native: str) -> str:
    """Return a model's 16-bit format."""
    return native if native in SIXTEEN else "bf16"


def weight_formats(service: InferenceWorkload, form: NumberFormats) -> list[Format]:
    """Return the formats of the weights: one, or those of a mix."""
    names = sorted(set(layerwise.layers_of(form.weights))) if layerwise.is_mix(form.weights) else [form.weights]
    return [service.formats[name] for name in names]


def resolved(service: InferenceWorkload, form: NumberFormats, gpu: Gpu) -> NumberFormats:
    """Return formats with what the plan does not say of them as the engine takes it on this GPU.

    It has one type of 16 bits for all that is in 16: that of the weights, else the model's, and fp16 where the hardware
    has no bf16. Activations are what it multiplies these weights in, 16 bits where it unpacks them first.
    """
    key = ("resolved", form, gpu.id)
    if key not in service.known:
        said, own = service.workload.domains, sixteen_bit(service.model.native_format)
        taken = sixteen_on(service, gpu)
        weights = taken if "weights" not in said and form.weights == own else form.weights
        sixteen = weights if weights in SIXTEEN else taken
        cache = form.kv_cache if "kv_cache" in said or service.cache_default else sixteen
        activations = form.activations
        if not activations:
            formats = {_multiplied(service, fmt, gpu, sixteen) for fmt in weight_formats(service, form)}
            activations = formats.pop() if len(formats) == 1 else sixteen
        service.known[key] = NumberFormats(weights, cache, activations, form.quantization)
    whole: NumberFormats = service.known[key]
    return whole


def sixteen_on(service: InferenceWorkload, gpu: Gpu) -> str:
    """Return the type of 16 bits that an engine takes of the model by itself: fp16 where the hardware has no bf16."""
    own = sixteen_bit(service.model.native_format)
    return "fp16" if own == "bf16" and not computes(gpu, service.formats[own]) else own


def computes(gpu: Gpu, fmt: Format) -> bool:
    """Return whether hardware has what a format needs of it."""
    return not fmt.needs or any(need in gpu.native_formats for need in fmt.needs)


def narrowed(service: InferenceWorkload, form: NumberFormats, gpu: Gpu) -> bool:
    """Return whether the hardware makes the engine take fp16 of a model in bf16, which a plan did not say."""
    said = service.workload.domains
    unsaid = [name for name in NUMBER_FORMATS if name != "quantization"]
    return (
        sixteen_bit(service.model.native_format) == "bf16"
        and not computes(gpu, service.formats["bf16"])
        and any(name not in said and getattr(form, name) == "fp16" for name in unsaid)
    )


ACTIVATIONS = {"fp8_e4m3": "fp8_e4m3", "int8": "int8", "fp4": "nvfp4"}
"""What weights of an arithmetic are multiplied with; MXFP4 with MXFP8
(vllm/model_executor/layers/quantization/mxfp4.py) where the hardware computes in 4 bits."""


def _multiplied(service: InferenceWorkload, fmt: Format, gpu: Gpu, sixteen: str) -> str:
    """Return the activations of weights in a format; an engine without such kernels, or on hardware that does not
    multiply the two, unpacks all to 16 bits."""
    low = "mxfp8" if "mxfp4" in (fmt.id, fmt.like) else ACTIVATIONS.get(fmt.computes_as, "")
    both = low and gpu.flops.get(fmt.computes_as) and gpu.flops.get(service.formats[low].computes_as)
    return low if both and fmt.bits < 16 and service.engine.kernels else sixteen
