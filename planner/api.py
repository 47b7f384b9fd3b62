"""Library use: the verbs as functions, with the objects the command line prints.

>>> import planner
>>> plan = planner.load("examples/chat.mem")
>>> plan.problem is not None, plan.findings
(True, ())
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib import import_module
from os import PathLike, fspath
from pathlib import Path
from types import ModuleType
from typing import Any

from planner.diagnostics import Diagnostic
from planner.language.problem import Problem
from planner.plan import Loaded as Plan
from planner.plan import load_plan, shipped_catalog
from planner.report.thumb import Thumb
from planner.solve.answer import Answer, Solved
from planner.solve.candidate import TooWide

__all__ = ["Estimate", "Plan", "PlanError", "Result", "Review", "check", "estimate", "load", "solve"]

Where = str | PathLike[str]


class PlanError(ValueError):
    """There is no answer to a plan: it has errors, leaves open what must be fixed, or has more to try than is tried.

    `findings` say which, each with a code and a place; the message shows them.
    """

    def __init__(self, findings: Sequence[Diagnostic], texts: dict[str, str]) -> None:
        """Keep the findings; the message is what the command line prints."""
        from planner.diagnostics.full import render

        self.findings = tuple(findings)
        super().__init__(render(self.findings, texts))


@dataclass(frozen=True, slots=True, repr=False)
class Review:
    """What `check` finds: true where nothing is an error, a sequence of its findings, printed as `check` prints it."""

    findings: tuple[Diagnostic, ...]
    texts: dict[str, str]

    @property
    def ok(self) -> bool:
        """Whether nothing is an error; warnings do not count."""
        return not any(item.is_error for item in self.findings)

    def __bool__(self) -> bool:
        return self.ok

    def __len__(self) -> int:
        return len(self.findings)

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.findings)

    def __str__(self) -> str:
        from planner.diagnostics.full import render

        return render(self.findings, self.texts)

    def __repr__(self) -> str:
        errors = sum(item.is_error for item in self.findings)
        return f"<Review: {errors} errors, {len(self.findings) - errors} warnings>"

    def _repr_html_(self) -> str:
        return _preformatted(str(self) or "all good")


@dataclass(frozen=True, slots=True, repr=False)
class Result:
    """An answer with the plan it answers; in a notebook it shows as the HTML of `--format html`."""

    answer: Answer
    plan: Plan
    path: str

    @property
    def outcome(self) -> str:
        """One of optimal, feasible, infeasible, fixed."""
        return self.answer.outcome

    @property
    def cost_usd_per_hour(self) -> float | None:
        """What everything rented costs, None where nothing fits."""
        return None if self.answer.cost is None else self.answer.cost / 1e6

    @property
    def fits(self) -> bool:
        """Whether there is an answer and it breaks no rule."""
        return bool(self.answer.workloads) and not any(item.chosen.broken for item in self.answer.workloads)

    def __getitem__(self, workload: str) -> Solved:
        """Return the answer of one workload by its name; raise KeyError."""
        for item in self.answer.workloads:
            if item.chosen.workload == workload:
                return item
        raise KeyError(workload)

    def render(self, form: str = "table") -> str:
        """Return the answer as table, json, markdown or html, as `planner solve --format` prints it."""
        from planner.report.answer import render

        answer = self.answer if form == "table" else self._detailed()
        return render(form, answer, self.plan.problem, self.plan.findings, title=self.path)

    def document(self) -> dict[str, Any]:
        """Return the answer as data, the keys of `--format json`: money in USD, sizes in bytes, times in seconds."""
        from planner.report.json_ import document

        return document(self._detailed(), self.plan.findings, self.path)

    def _detailed(self) -> Answer:
        """Return the answer with where every GPU type stands, which a table does not show."""
        from planner.solve import with_hardware

        if self.plan.problem is None or self.answer.hardware:
            return self.answer
        return with_hardware(self.plan.problem, self.plan.catalog, self.answer)

    def lock(self) -> str:
        """Return the text of the lock that `planner solve` would write; raise ValueError where there is no answer."""
        from planner.lock.lock import render

        if self.plan.problem is None or not self.answer.workloads:
            raise ValueError("there is no answer to lock")
        return render(self.answer, self.plan.problem, self.plan.catalog, self.plan.texts)

    def __str__(self) -> str:
        return self.render()

    def __repr__(self) -> str:
        cost = "" if self.cost_usd_per_hour is None else f", ${self.cost_usd_per_hour:g}/h"
        return f"<Result: {self.path}, {self.outcome}{cost}>"

    def _repr_html_(self) -> str:
        return self.render("html")

    def _repr_markdown_(self) -> str:
        return self.render("markdown")


@dataclass(frozen=True, slots=True, repr=False)
class Estimate:
    """A rule of thumb: `parts` and `total` in bytes."""

    thumb: Thumb

    @property
    def parts(self) -> dict[str, int]:
        """Each part's bytes."""
        return self.thumb.parts

    @property
    def total(self) -> int:
        """All bytes."""
        return self.thumb.total

    def render(self, form: str = "table") -> str:
        """Return it as table, json, markdown or html."""
        from planner.report.thumb import render

        return render(form, self.thumb)

    def __str__(self) -> str:
        return self.render()

    def __repr__(self) -> str:
        return f"<Estimate: {self.thumb.count} {self.thumb.kind}, {self.total / 1e9:.1f} GB>"

    def _repr_html_(self) -> str:
        return _preformatted(self.render())

    def _repr_markdown_(self) -> str:
        return self.render("markdown")


def load(path: Where, *, text: str | None = None, settings: Sequence[str] = ()) -> Plan:
    """Return a plan as it was read; it never raises for what is wrong with the plan: `findings` has it.

    `text` stands for the file's text, `settings` are overrides as `--set` takes them.

    >>> load("small.mem", text="let a = 1 +").findings[0].code
    'E0102'
    >>> load("examples/chat.mem", settings=["chat.concurrency=4"]).problem.workloads[0].given["concurrency"]
    Fraction(4, 1)
    """
    return load_plan(fspath(path), tuple(settings), text=text)


def check(plan: Plan | Where, *, locked: bool = False) -> Review:
    """Return all that is wrong with a plan and its lock, without solving; `locked` as `check --locked`.

    >>> review = check("examples/fleet.mem")
    >>> review.ok, len(review)
    (True, 0)
    >>> print(check(load("a.mem", text="let a = 8k tokns")))  # doctest: +ELLIPSIS
    error[E0105]: ...
    """
    from planner.review import review

    found, path = _plan(plan)
    texts = dict(found.texts)
    return Review(review(path, found, locked, texts), texts)


def solve(plan: Plan | Where, *, top: int = 3, time_limit: float = 30.0, workers: int = 1) -> Result:
    """Return the cheapest answer with its proof, or the rules that conflict; writes nothing.

    Raise PlanError where the plan has errors, where the search space is too large (E0703), and where the time limit
    passed before anything was found (E0702): a result always has workloads or a conflict.
    `time_limit` is in seconds for the whole solve; the answer is the same for any number of `workers`.

    >>> result = solve("examples/chat.mem")
    >>> result.outcome, result.fits
    ('optimal', True)
    >>> chosen = result["chat"].chosen
    >>> chosen.total <= chosen.usable
    True
    >>> sorted(result.document())[:3]
    ['conflict', 'considered', 'cost_usd_per_hour']
    """
    from planner.solve import solve as answer_of

    found, path = _plan(plan)
    if found.problem is None:
        raise PlanError(found.findings, found.texts)
    answer = answer_of(found.problem, found.catalog, top, time_limit, workers)
    if answer.outcome == "unknown":
        if answer.refusal:
            raise _refused(found, "E0703", f"search space too large: {answer.refusal}", "fix or bound more of the plan")
        reason = f"nothing was found within {time_limit:g} s"
        raise _refused(found, "E0702", reason, "raise `time_limit`, or leave less open")
    return Result(answer, found, path)


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

    found, path = _plan(what)
    if found.problem is None:
        raise PlanError(found.findings, found.texts)
    left = left_open(found)
    if left:
        raise PlanError(left, found.texts)
    try:
        answer = answer_of(found.problem, found.catalog)
    except TooWide as reason:
        raise _refused(found, "E0703", f"search space too large: {reason}", "state smaller numbers") from None
    missing = _unanswered(found.problem, answer)
    unrented = owned.unrented(found.problem, missing)
    if unrented:
        found = replace(found, problem=owned.with_own(found.problem, unrented))
        assert found.problem is not None
        answer = answer_of(found.problem, found.catalog)
        missing = _unanswered(found.problem, answer)
    if missing:
        message = f"no offer has what {', '.join(missing)} asks for"
        raise _refused(
            found, "E0503", message, "name another GPU or number of GPUs, or declare an offer of it", missing[0]
        )
    return Result(answer, found, path)


def _unanswered(problem: Problem, answer: Answer) -> list[str]:
    from planner.language.copies import block_of

    answered = {block_of(item.chosen.workload) for item in answer.workloads}
    return sorted({block_of(item.name) for item in problem.workloads} - answered)


def _refused(plan: Plan, code: str, message: str, help: str, workload: str = "") -> PlanError:
    """Return what is raised instead of an empty answer: one finding, at the workload, or at the first of the plan."""
    from planner.diagnostics.diagnostic import error

    blocks = plan.problem.workloads if plan.problem is not None else ()
    span = next((item.span for item in blocks if item.name == workload or not workload), None)
    return PlanError((error(code, message, span, help=help),), plan.texts)


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

    out = []
    for item in plan.problem.workloads if plan.problem is not None else ():
        names = [name for name, values in item.domains.items() if len(values) > 1]
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
        raise ValueError(f"no format is called `{weights}`")
    optimizers = BY_KIND["training"]["optimizer"].words
    if optimizer not in optimizers:
        raise ValueError(f"no optimizer is called `{optimizer}`; there are {', '.join(optimizers)}")
    size = row.bits / 8
    parts = rule_of_thumb.training(count, size, optimizer) if training else rule_of_thumb.inference(count, size)
    return Thumb(
        count, row.id, row.bits, "training" if training else "inference", optimizer if training else None, parts
    )


class _Callable(ModuleType):
    """The package planner.solve, which can be called as the library's function of that name."""

    def __call__(self, plan: Plan | Where, *, top: int = 3, time_limit: float = 30.0, workers: int = 1) -> Result:
        return solve(plan, top=top, time_limit=time_limit, workers=workers)


# Importing the package planner.solve puts it where the function `planner.solve` was.
import_module("planner.solve").__class__ = _Callable


def _plan(plan: Plan | Where) -> tuple[Plan, str]:
    if isinstance(plan, Plan):
        return plan, next(iter(plan.texts), "plan.mem")
    return load(plan), fspath(plan)


def _preformatted(text: str) -> str:
    from html import escape

    return f"<pre>{escape(text)}</pre>"
