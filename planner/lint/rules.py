"""Bounds that say nothing or can never be kept, and quality that is unmeasured (W0604, W0608, W0609)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from planner.catalog.records import Model, Recovery
from planner.diagnostics.diagnostic import Diagnostic, warning
from planner.language.expressions.evaluate import compare
from planner.language.problem import Bound, Problem, Value, Workload
from planner.language.quantities.outcomes import OF_A_WHOLE
from planner.language.schema import BY_KIND
from planner.lint.source import Source
from planner.physics.quality import recovery, steps

LARGEST = dict.fromkeys(OF_A_WHOLE, Fraction(1))
"""What an outcome cannot be above: shares of a whole."""


def rules(source: Source) -> Iterator[Diagnostic]:
    """Yield each bound that every offered value keeps, and each that none keeps."""
    if source.problem is None:
        return
    for workload in source.problem.workloads:
        for bound in workload.bounds:
            verdict = _verdict(source, workload, bound)
            if verdict is None:
                continue
            code, message = ("W0608", "never binds") if verdict else ("W0609", "can never hold")
            yield warning(code, f"{bound.rule} {message}", bound.span, label=_why(source, workload, bound, verdict))
    yield from _unpaid(source.problem)


def prompts(source: Source) -> Iterator[Diagnostic]:
    """Yield each bound on the time to the first token of a service whose plan does not say how long its prompt is."""
    for workload in source.problem.workloads if source.problem is not None else ():
        bound = next((item for item in workload.bounds if item.quantity in ("ttft", "ttft_p95")), None)
        if workload.kind != "inference" or bound is None or {"prompt", "traffic"} & workload.said:
            continue
        tokens = int(Fraction(str(workload.given["prompt"])))
        yield warning(
            "W0617",
            f"{bound.rule} is about a prompt of {tokens:_} tokens: without `prompt` it is the whole context"
            + (" but the output" if workload.given.get("output") else ""),
            bound.span,
            help=f"prompt = {min(tokens, 2000):_} tokens, if that is how long prompts are",
        )


def drafts(source: Source) -> Iterator[Diagnostic]:
    """Yield each draft model whose acceptance the plan does not say."""
    for workload in source.problem.workloads if source.problem is not None else ():
        if workload.given.get("draft_model") and "acceptance" not in workload.said:
            yield warning(
                "W0619",
                f"the times of {workload.name} are those of a draft model of which nothing is accepted: its acceptance "
                "is not stated",
                workload.spans.get("draft_model", workload.span),
                help="acceptance = 60%, say: accepted / proposed tokens, which engines log",
            )


def _unpaid(problem: Problem) -> Iterator[Diagnostic]:
    """Yield each preference of a plan whose objective has no cost for its worth to be added to."""
    if any(goal.quantity == "cost" and goal.direction == "minimize" for goal in problem.goals):
        return
    for wish in problem.preferences:
        message = f"the preference `{wish.name}` never counts: its worth is money, and the objective has no cost"
        yield warning("W0608", message, wish.span, help="add `then minimize cost` to the objective")


def _offered(source: Source, workload: Workload, bound: Bound) -> tuple[Value, ...] | None:
    quantity = BY_KIND[workload.kind].get(bound.quantity)
    if quantity is None or quantity.role != "decision":
        return None
    return workload.domains.get(bound.quantity)


def _ends(source: Source, workload: Workload, bound: Bound) -> tuple[Fraction | None, Fraction | None]:
    """Return the least and the largest an outcome can be, None where there is no end."""
    quantity = BY_KIND[workload.kind].get(bound.quantity)
    low = quantity.low if quantity is not None else None
    high = quantity.high if quantity is not None else None
    high = LARGEST.get(bound.quantity, high)
    if bound.quantity == "memory" and source.problem is not None:
        gpus = workload.domains.get("gpu") or tuple(source.problem.gpus)
        sizes = [source.problem.gpus[str(name)].memory for name in gpus if str(name) in source.problem.gpus]
        high = Fraction(max(sizes, default=0)) or None
    return low, high


def _verdict(source: Source, workload: Workload, bound: Bound) -> bool | None:
    """Return True where the bound always holds, False where it never does, None where it depends."""
    offered = _offered(source, workload, bound)
    if offered:
        kept = [compare(bound.operator, value, bound.value) for value in offered]
        return True if all(kept) else False if not any(kept) else None
    if not isinstance(bound.value, Fraction) or bound.unknown:
        return None
    low, high = _ends(source, workload, bound)
    match bound.operator:
        case "<=":
            return _decide(high is not None and high <= bound.value, low is not None and low > bound.value)
        case "<":
            return _decide(high is not None and high < bound.value, low is not None and low >= bound.value)
        case ">=":
            return _decide(low is not None and low >= bound.value, high is not None and high < bound.value)
        case ">":
            return _decide(low is not None and low > bound.value, high is not None and high <= bound.value)
    return None


def _decide(always: bool, never: bool) -> bool | None:
    return True if always else False if never else None


def _why(source: Source, workload: Workload, bound: Bound, verdict: bool) -> str:
    verb = "keeps" if verdict else "breaks"
    return f"everything offered {verb} it" if _offered(source, workload, bound) else f"every answer {verb} it"


def quality(source: Source) -> Iterator[Diagnostic]:
    """Yield each decision whose every offered format is unmeasured, where a bound on quality asks for a measurement."""
    if source.problem is None:
        return
    measured: tuple[Recovery, ...] = ()  # read only where a format is not the native one
    for workload in source.problem.workloads:
        bound = next((item for item in workload.bounds if item.quantity == "quality" and not item.unknown), None)
        if bound is None:
            continue
        for role in ("weights", "kv_cache"):
            names = [str(value) for value in workload.domains.get(role, ())]
            if not names or any(_is_measured(source, workload, role, name, ()) for name in names):
                continue
            measured = measured or (*source.catalog.quality.values(), *source.problem.quality)
            if any(_is_measured(source, workload, role, name, measured) for name in names):
                continue
            yield warning(
                "W0604",
                f"the quality of {role} in {' or '.join(names)} is unmeasured, so {bound.rule} cannot hold",
                workload.spans.get(role, workload.span),
                secondary=((bound.span, "this bound asks for a measurement"),),
                help="offer another format, or declare one like it with the quality you measured",
            )


def _same(one: Model, other: Model) -> bool:
    return (one.of or one.id) == (other.of or other.id)


def _is_measured(source: Source, workload: Workload, role: str, name: str, rows: tuple[Recovery, ...]) -> bool:
    model = workload.model
    native = model.native_format
    own = source.problem.measurements if source.problem is not None else ()
    if any(item.quality is not None and getattr(item, role) == name and _same(item.model, model) for item in own):
        return True
    row = source.problem.formats.get(name) if source.problem is not None else None
    if getattr(row, "quality", None) is not None:
        return True
    if role == "weights":
        return all(recovery(rows, step, role, model.of or model.id)[0] is not None for step in steps(model, name))
    base = native if native in ("bf16", "fp16") else "bf16"
    return recovery(rows, name, role, model.of or model.id, None, base)[0] is not None
