"""The verbs that answer a plan: what is wrong with it, its answer, why that and nothing else, and its memory."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from planner.api.plans import Limit, Plan, PlanError, Settings, Where, limit, read_plan, refused, stated
from planner.api.results import Estimate, Reasons, Result, Review
from planner.diagnostics import Diagnostic
from planner.language.problem import Problem
from planner.plan import shipped_catalog
from planner.report.thumb import Thumb
from planner.solve.answer import Answer
from planner.solve.candidate import TooWide
from planner.wording import excess_text

EVERY = 1000
"""So many alternatives are asked for: one for each kind and number of GPUs."""


def check(plan: Plan | Where, *, locked: bool = False, proof: bool = False) -> Review:
    """Return all that is wrong with a plan and its lock, without solving; `locked` and `proof` as `check --locked` and
    `--proof`.

    >>> review = check("examples/fleet.mem")
    >>> review.ok, len(review)
    (True, 0)
    >>> from planner.api import load
    >>> print(check(load("a.mem", text="let a = 8k tokns")))  # doctest: +ELLIPSIS
    error[E0105]: ...
    """
    from planner.review import review

    loaded, path = read_plan(plan, None, None)
    texts = dict(loaded.texts)
    return Review(review(path, loaded, locked, texts, proof), texts)


def solve(
    plan: Plan | Where | None = None,
    *,
    text: str | None = None,
    set: Settings | None = None,
    top: int = 3,
    time_limit: Limit = 30.0,
    workers: int = 1,
) -> Result:
    """Return the cheapest answer with its proof, or the rules that conflict; writes nothing.

    Raise PlanError where the plan has errors, where the search space is too large (E0703), and where the time limit
    passed before anything was found (E0702): a result always has workloads or a conflict.
    The plan is a path, one that `load` returned, or a `text`; `set` overrides it: `{"chat.gpus": [1, 2]}`.
    `time_limit` is in seconds, or a text like "10s", for the whole solve; the answer is the same for any number of
    `workers`.

    >>> result = solve("examples/chat.mem")
    >>> result.outcome, result.fits
    ('optimal', True)
    >>> chosen = result["chat"].chosen
    >>> chosen.total <= chosen.usable
    True
    >>> sorted(result.document())[:3]
    ['conflict', 'considered', 'cost_usd_per_hour']
    >>> solve("examples/chat.mem", set={"chat.concurrency": 4})
    <Result: examples/chat.mem, optimal, $0.18/h>
    """
    from planner.solve import solve as answer_of

    stated_plan, path = stated(plan, text, set)
    assert stated_plan.problem is not None
    most = limit(time_limit)
    answer = known(answer_of(stated_plan.problem, stated_plan.catalog, top, most, workers), stated_plan, most)
    return Result(answer, with_models(stated_plan, answer), path)


def with_models(plan: Plan, answer: Answer) -> Plan:
    """Return a plan with the models of its answer, where it offers several."""
    from planner.language.offered import of_models

    return replace(plan, problem=of_models(plan.problem, answer.models)) if plan.problem and answer.models else plan


def known(answer: Answer, plan: Plan, time_limit: float) -> Answer:
    """Return an answer; raise PlanError where nothing is known of it."""
    if answer.outcome == "unknown":
        if answer.refusal:
            reason = f"search space too large: {excess_text(answer.refusal)}"
            raise refused(plan, "E0703", reason, "fix or bound more of the plan")
        reason = f"nothing was found within {time_limit:g} s"
        raise refused(plan, "E0702", reason, "raise `time_limit`, or leave less open")
    return answer


def why(
    plan: Plan | Where | None = None,
    *,
    text: str | None = None,
    set: Settings | None = None,
    gpu: str = "",
    time_limit: Limit = 30.0,
) -> Reasons:
    """Return why the answer is what it is: where every GPU type stands, and each format or way of checkpointing.

    With a `gpu` (its id) only where that stands, whether or not the plan offers it. Raise PlanError as `solve` does,
    and ValueError for a GPU that is not known.

    >>> reasons = why("examples/chat.mem")
    >>> [(item.value, item.status) for item in reasons.by_value if item.quantity == "weights"]
    [('bf16', 'chosen'), ('fp8_e4m3', 'fits'), ('int4', 'breaks')]
    >>> why("examples/chat.mem", gpu="h100_sxm").gpus[0].status
    'fits'
    """
    from planner.solve import solve as answer_of

    stated_plan, path = stated(plan, text, set)
    assert stated_plan.problem is not None
    if gpu and gpu not in stated_plan.problem.gpus:
        raise ValueError(f"unknown GPU `{gpu}`")
    most = limit(time_limit)
    answer = answer_of(
        stated_plan.problem, stated_plan.catalog, EVERY, most, hardware=True, values=True, gpu=gpu, margins=not gpu
    )
    return Reasons(known(answer, stated_plan, most), with_models(stated_plan, answer), path)


def estimate(
    what: Plan | Where, *, weights: str = "bf16", training: bool = False, optimizer: str = "adamw"
) -> Result | Estimate:
    """Return the memory of a plan with nothing left open, or of a count of parameters by the rule of thumb.

    A count is a text like `13B`, unless a file has that name; the other arguments are for counts. Raise PlanError for
    a plan with errors, with something left open, with figures too large to be counted (E0703) or with hardware that no
    offer has so (E0503), ValueError for a format or optimizer that is not known. A GPU that nobody rents is a machine
    of one's own, at no price.

    >>> estimate("13B").total, estimate("13B", training=True, optimizer="adam").total
    (31200000000, 109200000000)
    """
    if isinstance(what, str) and not Path(what).exists():
        count = parameters(what)
        if count is not None:
            return Estimate(_thumb(count, weights, training, optimizer))
    from planner.solve import estimate as answer_of
    from planner.solve.rent import owned

    loaded, path = stated(what)
    assert loaded.problem is not None
    left = left_open(loaded)
    if left:
        raise PlanError(left, loaded.texts)
    try:
        answer = answer_of(loaded.problem, loaded.catalog)
    except TooWide as fault:
        reason = f"search space too large: {excess_text(fault.excess)}"
        raise refused(loaded, "E0703", reason, "state smaller numbers") from None
    missing = _unanswered(loaded.problem, answer)
    unrented = owned.unrented(loaded.problem, missing)
    if unrented:
        loaded = replace(loaded, problem=owned.with_own(loaded.problem, unrented))
        assert loaded.problem is not None
        answer = answer_of(loaded.problem, loaded.catalog)
        missing = _unanswered(loaded.problem, answer)
    if missing:
        from planner.report.nothing_fits import nowhere

        assert loaded.problem is not None
        raise PlanError(nowhere(loaded.problem, missing, loaded.catalog), loaded.texts)
    return Result(answer, loaded, path)


def _unanswered(problem: Problem, answer: Answer) -> list[str]:
    from planner.language.copies import block_of

    answered = {block_of(item.chosen.workload) for item in answer.workloads}
    return sorted({block_of(item.name) for item in problem.workloads} - answered)


def parameters(text: str) -> int | None:
    """Return a count of parameters like `13B`, None for what is none."""
    scale = {"k": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}.get(text[-1:])
    digits = text[:-1] if scale else text
    if not digits.replace(".", "", 1).replace("_", "").isdecimal():
        return None
    value = Fraction(digits.replace("_", "")) * (scale or 1)
    return int(value) if 1 <= value < 10**18 else None


def left_open(plan: Plan) -> tuple[Diagnostic, ...]:
    """Return an E0404 for each quantity that `estimate` needs to be fixed and the plan leaves open."""
    from planner.diagnostics.diagnostic import error
    from planner.language.offered import offered_in

    if plan.problem is None:
        return ()
    out, several = [], offered_in(plan.problem)
    for item in plan.problem.workloads:
        if item.traffic:
            message = f"{item.name}.traffic leaves open what serves it"
            out.append(error("E0404", message, item.spans["traffic"], help="solve the plan"))
        names = ["model"] if item.name in several else []
        names += [name for name, values in item.domains.items() if len(values) > 1]
        names += [] if "gpu" in item.domains else ["gpu"]
        for name in names:
            message = f"{item.name}.{name} is left open"
            out.append(error("E0404", message, item.spans.get(name, item.span), help="fix it, or solve the plan"))
    return tuple(out)


def _thumb(count: int, weights: str, training: bool, optimizer: str) -> Thumb:
    from planner.language.schema import BY_KIND
    from planner.physics import rule_of_thumb

    row = shipped_catalog()[0].find_format(weights)
    if row is None or isinstance(row, tuple):
        raise ValueError(f"unknown format `{weights}`")
    optimizers = BY_KIND["training"]["optimizer"].words
    if optimizer not in optimizers:
        raise ValueError(f"unknown optimizer `{optimizer}`; available: {', '.join(optimizers)}")
    size = row.bits / 8
    parts = rule_of_thumb.training(count, size, optimizer) if training else rule_of_thumb.inference(count, size)
    return Thumb(
        count, row.id, row.bits, "training" if training else "inference", optimizer if training else None, parts
    )
