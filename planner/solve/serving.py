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
from planner.catalog.records import Engine, Format, Gpu, Model, Recovery
from planner.language.defaults import STATED
from planner.language.problem import Problem, Value, Workload
from planner.physics import inference, quality
from planner.physics.inference import Profile
from planner.record import dataclass
from planner.solve import layerwise
from planner.solve.renting import largest_hosts
from planner.solve.scale import SCALES, UNKNOWN
from planner.solve.structure import Split, divides, experts_of, layers_of, service_faults

GPUS_UNSAID = 64
"""The most GPUs of a service whose plan does not say `gpus`."""
GPUS_DEMANDED = 4096
"""The most GPUs where `demand` decides how many replicas there are: what `gpus` can be."""
WITHIN_NODE = 8
"""The largest tensor-parallel group that is tried where the plan does not say: one node of eight."""
STAGES = 8
HOSTS = 64
"""The most hosts that a replica spans: what `nodes` can be."""


@dataclass(frozen=True, slots=True)
class Form:
    """The number formats of a candidate; `weights` is a format's id or a mix of them, layer by layer."""

    weights: str
    kv_cache: str
    activations: str
    quantization: str


@dataclass(slots=True)
class Service:
    """An inference workload with what its engine fills in; `known` keeps parts that were computed."""

    workload: Workload
    model: Model
    engine: Engine
    formats: Mapping[str, Format]
    measured: Callable[[str], Iterator[Recovery]]
    context: int
    concurrency: int
    prompt: int
    output: int
    demand: Fraction | None
    confidence: Fraction
    native_bits: Fraction
    known: dict[tuple[object, ...], Any] = field(default_factory=dict)
    beside: inference.Beside = field(default_factory=inference.Beside)
    by_sequence: bool = False
    cache_default: str = ""
    hosts: Callable[[], dict[str, int]] = dict
    """The most GPUs on a host of what may be rented, by GPU."""

    def attention(self, split: Split) -> int:
        """Ranks of a split that share the heads; one where each has sequences of its own."""
        return 1 if self.by_sequence else split.tensor

    def sharers(self, split: Split) -> int:
        """Ranks of a split that share the sequences."""
        return split.tensor if self.by_sequence else 1


def number(workload: Workload, name: str, default: int) -> int:
    """Return a given count; `default` stands for one that is not mentioned and has no default of its own."""
    value = workload.given.get(name)
    return int(value) if isinstance(value, Fraction) else default


def service(problem: Problem, workload: Workload, catalog: Catalog) -> Service:
    """Return a workload with its engine and what follows from what it says."""
    given = workload.given
    demand, confidence = given.get("demand"), given["confidence"]
    assert isinstance(confidence, Fraction)
    engine = str(given["engine"])
    native = problem.formats.get(workload.model.native_format)
    return Service(
        workload,
        workload.model,
        problem.engines.get(engine) or catalog.engines[engine],
        problem.formats,
        _by_role(problem, catalog),
        number(workload, "context", 1),
        number(workload, "concurrency", 1),
        number(workload, "prompt", 1),
        number(workload, "output", 0),
        demand if isinstance(demand, Fraction) else None,
        confidence,
        native.bits if native is not None and native.bits > 16 else Fraction(16),
        beside=_beside(problem, workload, catalog),
        by_sequence=given["attention_parallel"] == "data",
        cache_default=_cache_default(problem, workload, problem.engines.get(engine) or catalog.engines[engine]),
        hosts=lambda: largest_hosts(problem, workload),
    )


def _cache_default(problem: Problem, workload: Workload, engine: Engine) -> str:
    """Return the format that the engine keeps this model's cache in by itself on every GPU of the plan, if it says."""
    arch = workload.model.architecture
    cards = [problem.gpus[str(name)] for name in workload.domains.get("gpu", ()) if str(name) in problem.gpus]
    for row in engine.cache_defaults:
        everywhere = not row.runs_on or (bool(cards) and all(card.compute_capability in row.runs_on for card in cards))
        if arch is not None and arch.family in row.families and everywhere:
            return row.format
    return ""


def _by_role(problem: Problem, catalog: Catalog) -> Callable[[str], Iterator[Recovery]]:
    """Return the measured recoveries of a role (weights or kv_cache); only the rows of the role are built."""
    rows = catalog.quality

    def measured_of(role: str) -> Iterator[Recovery]:
        yield from (rows[key] for key, its in zip(rows, rows.column("role"), strict=True) if its == role)
        yield from (row for row in problem.quality if row.role == role)

    return measured_of


def _beside(problem: Problem, workload: Workload, catalog: Catalog) -> inference.Beside:
    """Return what is loaded beside the model, and what of it stays on the host."""
    draft = None
    if workload.given["draft_model"]:
        found = catalog.find_model(str(workload.given["draft_model"]))
        if isinstance(found, Model) and found.architecture is not None:
            draft = (found.architecture, found.params, problem.formats[sixteen_bit(found.native_format)])
    return inference.Beside(
        number(workload, "adapters", 0),
        number(workload, "adapter_rank", 0),
        draft,
        number(workload, "offloaded_weights", 0),
        number(workload, "offloaded_cache", 0),
    )


def profile_of(this: Service, gpu: Gpu) -> Profile:
    """Return the engine at the plan's version on a GPU, with the plan's settings."""
    key = ("profile", gpu.id)
    if key not in this.known:
        given = this.workload.given
        share = given.get("gpu_memory_utilization")
        version = given.get("engine_version")
        made = inference.profile(
            this.engine,
            None if version is None else str(version),
            gpu,
            utilization=share if isinstance(share, Fraction) else None,
            max_sequences=number(this.workload, "max_sequences", 0) or None,
            max_batched_tokens=number(this.workload, "max_batched_tokens", 0) or None,
            context=this.context,
            light_sampler=given["sampler"] == "flashinfer",
            eager=given["cuda_graphs"] is False,
            images=given["images"] is not False,
            all_to_all=str(given["all_to_all"]),
            adapters=this.beside.adapters,
            mixers=_mixers(this.model),
        )
        known = this.known.setdefault(("profiles",), {})
        this.known[key] = known.setdefault(made, made)
    found: Profile = this.known[key]
    return found


def _mixers(model: Model) -> frozenset[str]:
    """Return the kinds of the model's mixers."""
    groups = model.architecture.groups if model.architecture is not None else ()
    return frozenset(str(group.mixer.get("kind")) for group in groups)


def sixteen_bit(native: str) -> str:
    """Return a model's 16-bit format."""
    return native if native in ("bf16", "fp16") else "bf16"


def forms(this: Service) -> list[Form]:
    """Return the formats a plan offers."""
    domains, native = this.workload.domains, this.model.native_format
    sixteen = sixteen_bit(native)
    out = []
    for how in _texts(domains, "quantization", STATED[this.workload.kind]["quantization"]):
        for act in _texts(domains, "activations", sixteen):
            for kv in _texts(domains, "kv_cache", this.cache_default or sixteen):
                for weights in _texts(domains, "weights", native):
                    out.append(Form(weights, kv, act, how))
    return out


def loads(engine: Engine, fmt: Format) -> bool:
    """Return whether an engine loads weights in a format."""
    return not fmt.engines or engine.id in fmt.engines


def _texts(domains: dict[str, tuple[Value, ...]], name: str, default: str) -> tuple[str, ...]:
    return tuple(sorted(str(value) for value in domains.get(name, (default,))))


def counts(workload: Workload, name: str) -> list[int] | None:
    """Return the whole numbers a plan offers for a decision, None where it does not say."""
    values = workload.domains.get(name)
    return None if values is None else sorted(int(value) for value in values if isinstance(value, Fraction))


def splits(this: Service, fixed: bool) -> list[Split]:
    """Return the ways one replica may lie on GPUs; with `fixed`, all of a plan's GPUs share each layer."""
    one_host = this.engine.one_host
    return [split for split in every_split(this, fixed) if not any(service_faults(this.model, split, one_host))]


def every_split(this: Service, fixed: bool) -> list[Split]:
    """Return what a plan leaves of splits, whether they can be or not."""
    nodes = sorted({count for some in nodes_by_gpu(this, fixed).values() for count in some}) or [1]
    return [split if count == 1 else replace(split, nodes=count) for split in _on_gpus(this, fixed) for count in nodes]


def nodes_by_gpu(this: Service, fixed: bool) -> dict[str, tuple[int, ...]]:
    """Return the numbers of hosts that a replica may span, by GPU, "" for all that are not named.

    What the plan offers; else one, or as many as the smallest of its replicas needs of the largest hosts.
    """
    key = ("nodes", fixed)
    if key not in this.known:
        said, spans = counts(this.workload, "nodes"), {}
        if said is None and {"gpus", "tensor_parallel", "pipeline_parallel"} & this.workload.domains.keys():
            left = _on_gpus(this, fixed)
            if "gpus" in this.workload.domains:
                left = [split for split in left if replica_counts(this, split)]
            least = min((split.gpus for split in left), default=1)
            needed = {gpu: -(-least // most) for gpu, most in this.hosts().items()} if least > 1 else {}
            spans = {gpu: (count,) for gpu, count in needed.items() if count <= HOSTS}
        this.known[key] = {"": tuple(said or [1]), **spans}
    found: dict[str, tuple[int, ...]] = this.known[key]
    return found


def may_span(this: Service, fixed: bool, gpu: str, nodes: int) -> bool:
    """Return whether a plan leaves it that a replica on a GPU spans so many hosts."""
    spans = nodes_by_gpu(this, fixed)
    return nodes in spans.get(gpu, spans[""])


def _on_gpus(this: Service, fixed: bool) -> list[Split]:
    """Return what a plan leaves of splits on one host."""
    workload = this.workload
    allowed = counts(workload, "gpus")
    most = max(allowed) if allowed else GPUS_UNSAID
    copies = counts(workload, "replicas") or [1]
    said = counts(workload, "tensor_parallel")
    if said is None:
        said = sorted({max(1, total // each) for total in allowed for each in copies}) if fixed and allowed else None
    tensors = said or [tp for tp in range(1, min(WITHIN_NODE, most) + 1) if divides(this.model, tp)]
    stages = counts(workload, "pipeline_parallel")
    layers = layers_of(this.model) or STAGES
    pipelines = stages or ([1] if fixed else list(range(1, min(STAGES, most, layers) + 1)))
    experts = counts(workload, "expert_parallel")
    mixed = bool(experts_of(this.model))
    return [
        Split(tp, pp, ep)
        for tp in tensors
        for pp in pipelines
        for ep in (experts or ([1] if fixed or not mixed else sorted({1, tp})))
        if allowed is None or fixed or tp * pp <= most
    ]


def replica_counts(this: Service, split: Split) -> list[int]:
    """Return the numbers of replicas a plan leaves for a split: one unless it says, any where `demand` decides."""
    said = counts(this.workload, "replicas")
    allowed = counts(this.workload, "gpus")
    if said is None and this.demand is not None:
        said = list(range(1, (max(allowed) if allowed else GPUS_DEMANDED) // split.gpus + 1))
    return [copies for copies in said or [1] if allowed is None or copies * split.gpus in allowed]


def measured(this: Service, name: str, quantization: str) -> Fraction | None:
    """Return the measured recovery of weights in a format; None where nobody measured it."""
    model = this.model
    own = this.formats[name].quality
    if own is not None:
        return own
    alias = this.formats[name].like or name
    return quality.recovery(this.measured("weights"), alias, "weights", model.id, quantization, model.native_format)[0]


def quality_steps(this: Service, form: Form) -> int:
    """Return the recovery of weights and KV cache together, in steps; UNKNOWN where nobody measured it."""
    key = ("quality", form.weights, form.kv_cache, form.quantization)
    if key not in this.known:
        model = this.model
        if layerwise.is_mix(form.weights):
            assert model.architecture is not None
            names = layerwise.layers_of(form.weights)
            known = {name: measured(this, name, form.quantization) for name in set(names)}
            weights = layerwise.recovery(model.architecture, names, known)
        else:
            weights = measured(this, form.weights, form.quantization)
        sixteen = sixteen_bit(model.native_format)
        alias = this.formats[form.kv_cache].like or form.kv_cache
        cache, _ = quality.recovery(this.measured("kv_cache"), alias, "kv_cache", model.id, None, sixteen)
        both = quality.combined(weights, cache)
        this.known[key] = UNKNOWN if both is None else int(both * SCALES["quality"])
    return int(this.known[key])


def weight_formats(this: Service, form: Form) -> list[Format]:
    """Return the formats of the weights: one, or those of a mix."""
    names = sorted(set(layerwise.layers_of(form.weights))) if layerwise.is_mix(form.weights) else [form.weights]
    return [this.formats[name] for name in names]


REFUSED = ("weights", "kv_cache", "activations", "gpu")
"""The decisions that an engine or a GPU may not be able to follow."""


def refusals(this: Service, form: Form, gpu: Gpu) -> dict[str, str]:
    """Return, by decision, why the engine or the GPU cannot run its format; empty where all run."""
    out = {}
    rows = {
        "weights": weight_formats(this, form),
        "kv_cache": [this.formats[form.kv_cache]],
        "activations": [this.formats[form.activations]],
    }
    for name, formats in rows.items():
        for row in formats:
            if row.needs and not any(need in gpu.native_formats for need in row.needs):
                out[name] = f"hardware for {row.id}"
            elif name == "weights" and not loads(this.engine, row):
                out[name] = f"an engine that loads {row.id}"
            elif name == "kv_cache" and this.engine.kv_formats and not _keeps(this.engine, row):
                out[name] = f"an engine that keeps its cache in {row.id}"
            elif name == "kv_cache" and row.kv_needs and not any(need in gpu.native_formats for need in row.kv_needs):
                out[name] = f"hardware for a cache in {row.id}"
            elif name == "activations" and row.bits < 16 and not gpu.flops.get(row.computes_as):
                out[name] = f"hardware that computes in {row.id}"
    if not inference.runs_on(this.engine, gpu):
        out["gpu"] = f"an engine that runs on {gpu.id}"
    return out


def _keeps(engine: Engine, row: Format) -> bool:
    return row.id in engine.kv_formats or row.like in engine.kv_formats


def peak_flops(this: Service, form: Form, gpu: Gpu) -> int:
    """Return the dense peak at what is computed in: the activations' format where the hardware has it.

    A mix is counted at the slowest of its formats.
    """
    activations = this.formats[form.activations]
    found = []
    for weights in weight_formats(this, form):
        order = (activations.computes_as, weights.computes_as, "bf16", "fp16", "fp32")
        found.append(next((gpu.flops[name] for name in order if gpu.flops.get(name)), 0))
    return min(found)


def combos(this: Service, fixed: bool) -> Iterator[tuple[Form, Split]]:
    """Yield every pair of formats and split."""
    every = forms(this)
    for split in splits(this, fixed):
        yield from ((form, split) for form in every)
        if "weights" in this.workload.per_layer and this.model.architecture is not None:
            yield from ((form, split) for form in _mixed_forms(this, every, split))


def _mixed_forms(this: Service, every: list[Form], split: Split) -> list[Form]:
    """Return the formats per layer that no others beat, beside the ones that are the same in all layers."""
    from planner.solve.serving_memory import layer_bytes

    arch = this.model.architecture
    assert arch is not None
    out = []
    for how in sorted({form.quantization for form in every}):
        names = sorted({form.weights for form in every if form.quantization == how})
        known = {name: measured(this, name, how) for name in names}
        sizes = {
            (kind, name): layer_bytes(this, kind, name, split)
            for kind in set(layerwise.groups_of(arch))
            for name in names
        }
        labels = layerwise.mixes(arch, [this.formats[name] for name in names], sizes, known)
        others = {(form.kv_cache, form.activations) for form in every if form.quantization == how}
        for label in labels:
            if "+" in label:
                out += [Form(label, cache, act, how) for cache, act in sorted(others)]
    return out
