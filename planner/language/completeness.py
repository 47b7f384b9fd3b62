"""What a block as a whole must say, and what of it cannot be or is doubtful."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from planner.catalog.records import Format, Model
from planner.language.block import Block
from planner.language.choices import spoken
from planner.language.defaults import filled
from planner.language.schema import BY_KIND, COMPUTED, grouped
from planner.syntax import tree

"""The format a recipe of mixed precision multiplies in."""


def complete(block: Block, declaration: tree.Declaration) -> None:
    """Report what a block must say and does not, and a model that is not described for its kind of work."""
    table = BY_KIND[block.kind]
    _described(block)
    known = block.model is None or block.model.architecture is not None
    needed = ["model"]
    if known:
        needed += ["context"] if block.kind == "inference" else ["sequence"]
        if block.kind == "inference" and not {"total_concurrency", "traffic"} & block.spans.keys():
            needed.append("concurrency")
    if "demand" in block.given:
        needed += ["output"]
    samples = {"model": '"meta-llama/Llama-3.1-8B"', "context": "8Ki tokens", "concurrency": "32"}
    if {"concurrency", "total_concurrency"} <= block.given.keys():
        said = "`concurrency` is of each replica, `total_concurrency` of all together: state one of them"
        block.env.scope.error("E0405", said, block.spans["total_concurrency"])
    samples |= {"sequence": "4Ki tokens", "output": "256 tokens"}
    missing = [name for name in needed if name not in block.spans]
    if missing:
        said = " and ".join(f"`{name}`{' (`demand` needs it)' if name == 'output' else ''}" for name in missing)
        block.env.scope.error(
            "E0404",
            f"`{block.name}` does not say {said}",
            declaration.name_span,
            label=table[missing[0]].doc.rstrip(".") if len(missing) == 1 else "",
            help="; ".join(f"{name} = {samples[name]}" for name in missing),
        )


UNTRAINED = {"compressed": "compressed attention"}
"""The mixers whose training nobody has described: what their autograd keeps is unknown."""


def _described(block: Block) -> None:
    """Refuse a model whose work nobody has described: its weights alone say nothing of what a batch needs beside them.

    A model that a plan declares by its size is another thing: who writes that asks for the rule of thumb.
    """
    model = block.model
    if model is None:
        return
    if model.architecture is None:
        if model.model_type and model.stored_bytes is None:  # of a file the bytes count, and a note says so
            work = "keep for backward" if block.kind == "training" else "hold beside its weights"
            _unsupported(
                block, model, f"it is not a decoder alone, and what a `{model.model_type}` must {work} is unknown"
            )
        return
    kinds = (group.mixer.kind for group in model.architecture.groups)
    unknown = next((UNTRAINED[kind] for kind in kinds if kind in UNTRAINED), None)
    if block.kind == "training" and unknown is not None:
        _unsupported(block, model, f"what the layers of its {unknown} keep for backward is unknown")


def _unsupported(block: Block, model: Model, why: str) -> None:
    work = "training" if block.kind == "training" else "serving"
    size = f"{model.params / 1e9:.3g}B"
    block.env.scope.error(
        "E0405",
        f"{work} `{model.id}` is unsupported: {why}",
        block.spans["model"],
        help=f"for the rule of thumb, declare it by its size: model by_size {{ parameters = {size} }}",
    )


def check_task(block: Block) -> None:
    """Hold what only text has against a task that yields none."""
    task = block.given.get("task", "generate")
    for name in grouped("text") if task != "generate" else ():
        if name in block.spans and block.given.get(name):
            block.env.scope.error(
                "E0403",
                f"`{name}` is of a service that generates text, and the task is {task}",
                block.spans[name],
                help=f"leave `{name}` out: times of embeddings and scores are not modelled",
            )


def check_lengths(block: Block) -> None:
    """Hold prompt and output against the context, and the shared prefix against the prompt."""
    scope, given = block.env.scope, block.given
    prompt, output, context = given.get("prompt"), given.get("output"), given.get("context")
    if not isinstance(context, Fraction):
        return
    total = sum((item for item in (prompt, output) if isinstance(item, Fraction)), Fraction(0))
    if total > context:
        spoken_of = "output" if isinstance(output, Fraction) else "prompt"
        scope.error(
            "E0403",
            "prompt and output are longer than the context",
            block.spans[spoken_of],
            label=f"together {spoken(total, 'tokens')}",
            secondary=((block.spans["context"], f"the context is {spoken(context, 'tokens')}"),),
            help="the context is prompt and output together",
        )
    prefix, begins = given.get("shared_prefix"), "prompt" if "prompt" in block.spans else "context"
    longest = filled(block.kind, given)["prompt"] if total <= context else given.get("prompt", context)
    if isinstance(prefix, Fraction) and isinstance(longest, Fraction) and prefix > longest:
        scope.error(
            "E0403",
            f"the shared prefix is longer than the {begins}",
            block.spans["shared_prefix"],
            secondary=((block.spans[begins], f"the longest is {spoken(longest, 'tokens')}"),),
            help="a prompt begins with the shared prefix",
        )


DAY = 86_400


def check_interruptions(block: Block) -> None:
    """Hold what interruptions a day lose against the day: they are of spot, and leave some of it."""
    scope, given = block.env.scope, block.given
    often, lost = given.get("interruptions"), given.get("lost_per_interruption")
    said = "interruptions" if often is not None else "lost_per_interruption"
    if often is None and lost is None:
        return
    if not isinstance(often, Fraction) or not isinstance(lost, Fraction):
        other, way = ("lost_per_interruption", "30 min") if lost is None else ("interruptions", "2")
        message = f"`{said}` without `{other}` says nothing"
        scope.error("E0404", message, block.spans[said], help=f"{other} = {way}")
    elif block.domains.get("market") != ("spot",):
        message = "interruptions are of what is rented on spot, which this plan may rent otherwise"
        scope.error("E0405", message, block.spans[said], help="market = spot")
    elif often * lost >= DAY:
        message = f"{spoken(often, None)} interruptions of {spoken(lost, 's')} leave nothing of a day"
        help = "save checkpoints more often: `lost_per_interruption` is the work since the last one"
        scope.error("E0403", message, block.spans["interruptions"], help=help)


_SCALED = 'a config.json whose positions are scaled to it (YaRN) makes it one, `model = config("…/config.json")`'
LONGER: Final = {
    "": "a longer context needs a model made for it",
    "vllm": f"vLLM does not start with a longer context than the model's config states; {_SCALED}",
    "sglang": f"SGLang does not start with a longer context than the model's config states; {_SCALED}",
}
"""What helps, by engine: vllm/config/model.py _get_and_verify_max_len (0.33.0) and sglang/srt/configs/model_config.py
(0.5.23) raise a ValueError unless an environment variable says otherwise."""


def doubts(block: Block) -> None:
    """Warn of what is allowed and seldom meant."""
    scope, given, model = block.env.scope, block.given, block.model
    assert model is not None
    for name in ("context", "sequence"):
        length = given.get(name)
        if isinstance(length, Fraction) and model.max_context and length > model.max_context:
            scope.warn(
                "W0603",
                f"{spoken(length, 'tokens')} are beyond the {model.max_context} that {model.id} was made for",
                block.spans[name],
                help=LONGER.get(str(given.get("engine", "vllm")) if block.kind == "inference" else "", LONGER[""]),
            )
    native = scope.format(model.native_format)
    for name in ("weights", "activations", "precision"):
        for value in block.domains.get(name, ()):
            chosen = scope.format(COMPUTED.get(str(value), str(value)))
            if _narrower(chosen, native):
                reason = f"is published in {native.id}; in {chosen.id} values above {chosen.largest:.0f} overflow"
                wide = "bf16_mixed" if name == "precision" and native.id == "bf16" else native.id
                none = _none_computes(block, native)
                help = f"choose a GPU with {native.id}: `gpu` offers none" if none else f"{name} = {wide}"
                scope.warn("W0601", f"{model.id} {reason}", block.spans[name], help=help)
    for name, narrow_ones in (("gradient_precision", ("fp16",)), ("loss_precision", ("fp16", "bf16"))):
        if given.get(name) in narrow_ones:
            what = "gradients" if name == "gradient_precision" else "a loss"
            scope.warn(
                "W0602",
                f"backpropagation is sensitive to {what} kept in {given[name]}: small updates are lost",
                block.spans[name],
                help=f"{name} = fp32",
            )


def _none_computes(block: Block, fmt: Format) -> bool:
    """Return whether a plan offers GPUs by name, and none of them has what a format needs."""
    scope, names = block.env.scope, [str(name) for name in block.domains.get("gpu", ())]
    cards = [scope.gpus.get(name) or scope.catalog.gpus[name] for name in names]
    return bool(cards and fmt.needs) and not any(need in card.native_formats for card in cards for need in fmt.needs)


def _narrower(chosen: Format, native: Format) -> bool:
    """Return whether a format has a smaller exponent than another; those of 8 bits and less have scales for that."""
    if min(chosen.bits, native.bits) < 16 or chosen.exponent is None or native.exponent is None:
        return False
    return chosen.exponent < native.exponent
