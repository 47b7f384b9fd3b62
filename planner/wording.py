"""Needs, notes and refusals of a solve as people read them: one row for each kind, for reports and for messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction

from planner.language.problem import Value
from planner.solve.needs import Excess, Need, Note

SHOWN = 8
"""So many values are listed in a reason."""


def _among(*values: object) -> str:
    listed = ", ".join(map(str, values[:SHOWN])) + (f" and {len(values) - SHOWN} more" if len(values) > SHOWN else "")
    return listed if len(values) == 1 else f"one of {listed}" if values else "nothing is offered"


def _piped(name: object, stages: Iterable[int], above: Iterable[int]) -> str:
    return f"{_or(stages)}: {name} has no pipelines with ZeRO {_or(above)}"


def _or(values: Iterable[object]) -> str:
    return " or ".join(map(str, values))


def _recomputed(least: int, most: int | None, mode: object) -> str:
    range_ = f"at least {least}" if most is None else f"{least} to {most}, the model's layers,"
    return f"{range_} with checkpointing {mode}"


def _selective(name: object, wanted: object, names: tuple[str, ...]) -> str:
    words = f"selective = {_or(names)}" if names else "full or none"
    return f"{words}: {name} has no setting for {wanted}"


def _unrented(gpus: tuple[str, ...], pasted: str) -> str:
    return f"no offer rents {', '.join(gpus)}; one with your price does: {pasted}"


def _class(architecture: object, last: str) -> str:
    return f"{architecture}{f': the last release with it is {last}' if last else ''}"


def _itself(architecture: object, through: object, last: str) -> str:
    ended = f"; the last release with it is {last}" if last else ""
    return f"{architecture} natively: it falls back to the {through}, whose memory is not modelled{ended}"


def _published(method: object, native: object, other: object = "", checkpoint: object = "") -> str:
    elsewhere = f"; in {other} it is {checkpoint}" if checkpoint else ""
    return f"a framework that trains {method} of a checkpoint that is published in {native}{elsewhere}"


def _unmet(what: Need, has: object) -> str:
    return unsupported(what, str(has))


def _unfit(what: Need, has: object) -> str:
    return f"expected {need_text(what)}; found {has}"


def offered(*values: Value) -> str:
    """Return the values that a plan offers as it would write them."""
    numbers = [int(value) for value in values if isinstance(value, Fraction) and value.denominator == 1]
    if len(numbers) == len(values) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}..{numbers[-1]}"
    words = [str(int(value)) if isinstance(value, Fraction) else str(value) for value in values]
    if len(words) > 6:
        words = [*words[:5], f"and {len(words) - 5} more"]
    return words[0] if len(words) == 1 else "{" + ", ".join(words) + "}"


WIDTHS = {
    "attention": "attention",
    "dense_part": "the dense part beside the experts",
    "expert": "each expert",
    "feed_forward": "the feed-forward layer",
    "kv_heads": "its KV heads",
    "recurrent": "the recurrent layer",
    "recurrent_groups": "its groups of recurrent heads",
    "recurrent_keys": "its recurrent key heads",
    "shared_expert": "the shared expert",
    "vocabulary": "the vocabulary",
}
"""Parts of a model that ranks share."""
NEEDS: dict[str, str | Callable[..., str]] = {
    "hardware": "hardware for {}",
    "hardware_cache": "hardware for a cache in {}",
    "hardware_computing": "hardware that computes in {}",
    "engine": "an engine with {}",
    "engine_loads": "an engine that loads {}",
    "engine_cache": "an engine that keeps its cache in {}",
    "engine_runs_on": "an engine that runs on {}",
    "engine_class": lambda *of: f"an engine that has {_class(*of)}",
    "engine_class_itself": lambda *of: f"an engine that has {_itself(*of)}",
    "engine_class_since": "an engine that has {}: the first release with it is {}",
    "engine_adapters": "an engine with adapters for {}",
    "engine_fp16": "an engine that runs {} in fp16",
    "unstaged": "1: the engine does not split {} into stages",
    "trains": "a framework that trains {}",
    "trains_published": _published,
    "trains_dora": "a framework that trains DoRA by {} in {}",
    "trains_experts": "a framework that trains {} of experts (lora_targets = attention adapts none)",
    "framework_runs_on": "a framework that runs on {}",
    "even_heads": "heads that divide evenly",
    "even_widths": lambda part, size: f"a divisor of {size}, the size of {WIDTHS[part]}",
    "even_draft": "a number that divides the draft model's heads evenly",
    "experts_of_all": "1 or {}: the engine's expert ranks are all ranks of tensor parallelism",
    "experts_of_none": "1: the engine has no expert parallelism",
    "batch_of": "at least the {} sequences that run at once: a batch has a token for each",
    "whole_blocks": lambda block, part, size: (
        f"a split into whole blocks of {block} weights: {WIDTHS[part]} would have {size} on a rank"
    ),
    "at_once": "at most the {} sequences that `max_sequences` lets run at once",
    "layers_at_most": "at most {}, the model's layers",
    "experts_at_most": "at most {}, the experts of a layer",
    "whole_dora": "0 with use_dora: DoRA on weights that are shards is not modelled",
    "whole_base": "1 with qlora: bitsandbytes has no tensor parallelism in transformers",
    "parts_at_most": "at most {}: {} parts of {} layers on each stage",
    "divisor": "a divisor of {} = {}",
    "divisor_of_replica": "a divisor of the {} GPUs of a replica",
    "multiple_or_divisor": "a multiple or divisor of {} = {}",
    "product": "{} = {}",
    "one_process": "1, the engine's one process",
    "hybrid": "1: hybrid sharding needs FSDP with zero 2 or 3",
    "piped": _piped,
    "stages": lambda name, stages: f"{_or(stages)}: {name} has no setting for the others",
    "no_pipelines": "1: {} has no pipelines",
    "unsharded": "1 without FSDP: {} supports more only with zero 2 or 3",
    "joint": lambda name, version: f"1, or fsdp_version = {version}: {name} supports more only with FSDP{version}",
    "adds_nothing_up": "{}: FSDP1 that offloads adds no gradients up with sync_each_batch",
    "recomputes_none": "0 without checkpointing",
    "recomputes": _recomputed,
    "recomputes_all": "{}: {} recomputes all layers or none",
    "selective": _selective,
    "one_of": _among,
    "request_size": lambda prompt, output: (
        f"a configuration that serves prompts of {prompt:_} and outputs of {output:_} "
        "tokens within these bounds, with the wait for a place"
    ),
    "one_for_all": "one configuration that serves every request size",
    "whole_number": "a whole number",
    "searched": "a split that is searched",
    "left_by_plan": "a number that the plan leaves",
    "rentable": "an offer that the plan may rent",
    "mix": "a mix of formats",
    "one_format": "one format for all layers",
    "format_each": "a format for each of {} layers",
    "unmet": _unmet,
    "unfit": _unfit,
    "offered": offered,
    "unrented": _unrented,
    "no_product": "data, tensor, pipeline and context parallelism, as far as they are stated, do not multiply to it",
    "nowhere": "no offer rents such hardware, or none of it can be split this way",
}
"""By kind: a text with a place for each thing that it is of, or what makes one of them."""


def _cached(what: str) -> str:
    return f"a KV cache in {what.removeprefix(CACHE)}" if what.startswith(CACHE) else what


CACHE = "a cache in "
UNSUPPORTED: dict[str, str | Callable[..., str]] = {
    "hardware": _cached,
    "hardware_cache": "a KV cache in {}",
    "hardware_computing": "computing in {}",
    "engine": "{}",
    "engine_loads": "{}",
    "engine_cache": "a KV cache in {}",
    "engine_runs_on": "{}",
    "engine_class": _class,
    "engine_class_itself": _itself,
    "engine_class_since": "{}: the first release with it is {}",
    "engine_adapters": "adapters for {}",
    "engine_fp16": "{} in fp16",
}
"""What hardware or an engine does not support that a need asks of it."""


def _anchored(count: int, factors: tuple[tuple[str, float, int], ...]) -> str:
    measurements = f"{count} measurement{'s' if count > 1 else ''}"
    said_of = [f"{name} x {factor:.3g} ({many})" for name, factor, many in factors]
    return f"anchored on {measurements}: {', '.join(said_of) or 'memory'}"


def _shared(instances: int, offer: str, own_copies: int, block: str, others: tuple[str, ...]) -> str:
    copies = [] if own_copies < 1 else [f"{own_copies:_} other cop{'y' if own_copies == 1 else 'ies'} of {block}"]
    return f"shares {instances} × {offer} with {', '.join([*copies, *others])}"


def _evaluated(name: str, share: float, task: str, chance: bool) -> str:
    by = f" by {task}" if task else ""
    maybe = ", within two standard errors of all" if chance else ""
    return f"anchored on your evaluation {name}: quality {share:.4g} %{by}{maybe}"


UNMEASURED = {"weights": "weights in {}", "kv_cache": "a KV cache in {}", "method": "method {} in {}"}
"""By part of a candidate whose quality is unmeasured, what is said of its format."""


def _unmeasured(parts: tuple[tuple[str, ...], ...], rule: str) -> str:
    named = " and ".join(UNMEASURED[part].format(*of) for part, *of in parts)
    return f"unmeasured quality of {named}: allowed by `{rule}`"


NOTES: dict[str, str | Callable[..., str]] = {
    "unknown_code": lambda family: (
        f"the code of {family or 'this architecture'} is read as that of a llama-style decoder"
    ),
    "unmeasured_mixer": "mixer {} is counted as its kernels' code reads; no step was measured",
    "opaque_parts": "parts of the model that are not described count as trained weights without activations",
    "dpo_reference": "dpo: a frozen reference model stands beside the trained one",
    "fp8_copies": "fp8: Transformer Engine's copies of the weights, by rows and by columns, stand beside them",
    "ddp_buckets": "ddp: its buckets hold a second copy of the gradients",
    "paged_states": "paged optimizer states may leave the GPU: counted in host memory",
    "thumb_training": "rule of thumb: sequence and batch are not counted",
    "stashing": "offload_activations: tensors on their way to the host are counted neither on the GPU nor in the times",
    "approximate": "approximate: {}",
    "unmeasured": _unmeasured,
    "rule_of_thumb": "rule of thumb: context, concurrency and the engine are not counted",
    "network": "{} hosts work as one over an assumed {:g} Gbit/s: the offer states no `network`",
    "busy": "{:.0f} % busy at its demand: above 80 % waiting grows steeply",
    "beyond_config": "{} does not start with {:_} tokens of context: the config of {} states {:_}",
    "narrowed": "fp16, since {} has no bf16: values above 65504 overflow",
    "spot_unsaid": "on spot, without interruptions: state `interruptions` a day and `lost_per_interruption`",
    "spot": "interruptions take {:.3g} % of the time",
    "shares": _shared,
    "anchored": _anchored,
    "evaluated": _evaluated,
    "unlike": lambda names, why: f"measurements not applied: {', '.join(names)} {note_text(why)}",
    "of_gpu": "on {}",
    "of_model": "of {}",
    "of_engine": "under {}",
    "of_release": lambda engine, version: f"of {engine} {version or 'in its newest release'}",
    "of_split": "with tensor_parallel {}, pipeline_parallel {}",
    "of_formats": lambda weights, cache: f"of weights in {weights}{f' and a KV cache in {cache}' if cache else ''}",
    "of_cache": "of a KV cache in {}",
    "of_plain": "of the model alone, in CUDA graphs",
    "of_load": "at {} sequences",
}
"""By kind: what an answer says of what its figures rest on."""


ROWS = {
    "configurations": "configurations and GPU types",
    "configurations_one_by_one": (
        "configurations and GPU types, tried one by one where `offload` or a paged `optimizer` is offered,"
    ),
    "formats": "formats, splits and GPU types",
    "layouts": "layouts, micro-batches and numbers of layers",
    "offers": "offers",
    "offloaded_layers": "numbers of layers whose activations are offloaded",
    "replicas": "numbers of replicas",
}
"""What makes the rows of a table."""
EXCESSES: dict[str, str | Callable[..., str]] = {
    "rows": lambda what, most: (
        f"{ROWS[what]} make more than {most:_} candidates of a workload; offer fewer: `gpu`, `gpus`, `replicas` "
        "and `checkpointed_layers` multiply them, and formats per layer have the most"
    ),
    "combinations": "`{}` relates more combinations of values than can be tried ({:_}, fewer for long conditions); "
    "state it as sums, counts or equalities",
    "terms": "what workloads share and the rules over several of them come to more than {:_} terms; state fewer such "
    "rules, name the workloads they are about, or offer fewer values",
    "sums": "the figures of this plan add up to more than can be counted exactly; state smaller numbers",
    "shares": lambda *names: (
        "too many ways to share instances, and rules or goals read what each workload pays of them; state `offer` or "
        f"`gpus` of {_or(f'`{name}`' for name in names)}, or bound the fleet's cost instead"
    ),
    "uncountable": "`{}` cannot be counted exactly; state rounder numbers",
    "figure": "a figure of `{}` is beyond 2^63; state smaller numbers",
    "mixes": "more than {:_} mixes of {} formats; offer fewer formats per layer",
}
"""By kind: what of a plan is too much to try or to count, and what to state instead."""


def _filled(row: str | Callable[..., str], of: tuple[object, ...]) -> str:
    return row.format(*of) if isinstance(row, str) else row(*of)


def need_text(what: Need) -> str:
    """Return a need in words."""
    return _filled(NEEDS[what.kind], what.of)


def note_text(what: Note) -> str:
    """Return a note in words."""
    return _filled(NOTES[what.kind], what.of)


def excess_text(what: Excess) -> str:
    """Return what of a plan is too much, in words."""
    return _filled(EXCESSES[what.kind], what.of)


def unsupported(what: Need, has: str) -> str:
    """Return that hardware or an engine does not support what a candidate needs of it, as a sentence."""
    if what.kind in UNSUPPORTED:
        return f"{has} does not support {_filled(UNSUPPORTED[what.kind], what.of)}"
    if what.kind == "even_heads":
        return f"the attention heads do not divide evenly by {has}"
    return f"is {has}, must be {need_text(what)}"
