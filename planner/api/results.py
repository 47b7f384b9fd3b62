"""What the library's functions return: each prints as the command line does, and shows in a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from planner.api.plans import Plan
from planner.diagnostics import Diagnostic
from planner.lock.compare import Difference
from planner.report.compared import Column
from planner.report.thumb import Thumb
from planner.solve.answer import Answer, ByValue, Solved, Standing
from planner.startup.compare import ComparedPart, Verified
from planner.trials.run import Verdict


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
        return preformatted(str(self) or "all good")


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

    def __iter__(self) -> Iterator[str]:
        """Go over the names of the workloads that are answered, by which each is had: `result[name]`."""
        return (item.chosen.workload for item in self.answer.workloads)

    def __contains__(self, workload: object) -> bool:
        return workload in tuple(self)

    def render(self, form: str = "table") -> str:
        """Return the answer as table, json, markdown, html or csv, as `planner solve --format` prints it.

        Raise ValueError for another form.
        """
        from planner.report.answer import FORMATS, render

        form = form_of(form, FORMATS)
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
class Reasons:
    """Why an answer is what it is: where every GPU type stands, and each value of some decisions."""

    answer: Answer
    plan: Plan
    path: str

    @property
    def gpus(self) -> tuple[Standing, ...]:
        """Where each GPU type stands, the best first."""
        return self.answer.hardware

    @property
    def by_value(self) -> tuple[ByValue, ...]:
        """Where each weight format, cache format or way of checkpointing stands that the plan leaves open."""
        return self.answer.by_value

    def render(self, form: str = "table") -> str:
        """Return it as table, json, markdown, html or csv; the table is what stands below the answer."""
        from planner.report import answer, by_value, phrases, why

        form = form_of(form, answer.FORMATS)
        if form != "table":
            return answer.render(form, self.answer, self.plan.problem, self.plan.findings, title=self.path)
        known = phrases.operators(self.plan.problem)
        tables = by_value.render(by_value.values(self.answer, known))
        return "\n\n".join(filter(None, (why.render(why.reasons(self.answer, known)), tables)))

    def document(self) -> dict[str, Any]:
        """Return it as data, the keys of `--format json`."""
        from planner.report.json_ import document

        return document(self.answer, self.plan.findings, self.path)

    def __str__(self) -> str:
        return self.render()

    def __repr__(self) -> str:
        kept = sum(item.status in ("chosen", "fits") for item in self.gpus)
        return f"<Reasons: {self.path}, {kept} of {len(self.gpus)} GPU types fit>"

    def _repr_html_(self) -> str:
        return self.render("html")


@dataclass(frozen=True, slots=True, repr=False)
class Changes:
    """What an answer is now against its lock or a revision."""

    difference: Difference

    @property
    def changed(self) -> bool:
        """Whether anything differs."""
        return self.difference.changed

    def render(self, form: str = "table") -> str:
        """Return it as table, json, markdown or html."""
        from planner.report.difference import render

        return render(form_of(form, ("table", "json", "markdown", "html")), [self.difference])

    def __str__(self) -> str:
        return self.render()

    def __repr__(self) -> str:
        from planner.report.difference import headline

        return f"<Changes: {headline(self.difference)}>"

    def _repr_html_(self) -> str:
        return self.render("html")


@dataclass(frozen=True, slots=True, repr=False)
class Tests:
    """The tests of a plan that were run: true where all passed, a sequence of verdicts."""

    verdicts: tuple[Verdict, ...]
    path: str
    texts: dict[str, str]

    @property
    def ok(self) -> bool:
        """Whether every test passed."""
        return all(item.passed for item in self.verdicts)

    def __bool__(self) -> bool:
        return self.ok

    def __len__(self) -> int:
        return len(self.verdicts)

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self.verdicts)

    def __str__(self) -> str:
        from planner.diagnostics.full import render

        lines = [f"{'pass' if item.passed else 'FAIL'}  {self.path}::{item.name}" for item in self.verdicts]
        failures = [failure for item in self.verdicts for failure in item.failures]
        return "\n".join([*lines, *([render(failures, self.texts)] if failures else [])])

    def __repr__(self) -> str:
        failed = sum(not item.passed for item in self.verdicts)
        return f"<Tests: {self.path}, {failed} failed, {len(self) - failed} passed>"

    def _repr_html_(self) -> str:
        return preformatted(str(self) or "no tests")


@dataclass(frozen=True, slots=True, repr=False)
class Verification:
    """What a machine reported against the lock: true where it holds. `measurement` is a block to paste, or empty."""

    verified: Verified
    lock: str
    measurement: str

    @property
    def holds(self) -> bool:
        """Whether the machine does what is locked."""
        return self.verified.holds

    @property
    def rows(self) -> tuple[ComparedPart, ...]:
        """The parts that were compared."""
        return self.verified.rows

    @property
    def reasons(self) -> list[str]:
        """Each place where it does not hold, in words."""
        from planner.report.verified import reasons

        return reasons(self.verified)

    def render(self, form: str = "table") -> str:
        """Return it as table, json or markdown."""
        from planner.report.verified import FORMATS, render

        return render(form_of(form, FORMATS), self.verified, self.lock, self.measurement)

    def __bool__(self) -> bool:
        return self.holds

    def __str__(self) -> str:
        return self.render()

    def __repr__(self) -> str:
        from planner.report.verified import verdict

        return f"<Verification: {self.verified.workload}, {verdict(self.verified)}>"

    def _repr_html_(self) -> str:
        return preformatted(self.render())


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """The answers of several plans side by side."""

    columns: tuple[Column, ...]

    def render(self, form: str = "table") -> str:
        """Return it as table, json, markdown or csv."""
        from planner.report.compared import FORMATS, render

        return render(form_of(form, FORMATS), self.columns)

    def document(self) -> dict[str, Any]:
        """Return it as data, the keys of `--format json`."""
        from planner.report.compared import document

        return document(self.columns)

    def __str__(self) -> str:
        return self.render()

    def __repr__(self) -> str:
        from planner.report import figures

        sides = [(item.plan, item.side) for item in self.columns]
        said = [
            f"{plan} {figures.hourly(side.cost) if side and side.workloads else 'no answer'}" for plan, side in sides
        ]
        return f"<Comparison: {', '.join(said)}>"

    def _repr_html_(self) -> str:
        return preformatted(self.render())

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

        return render(form_of(form, ("table", "json", "markdown", "html")), self.thumb)

    def __str__(self) -> str:
        return self.render()

    def __repr__(self) -> str:
        return f"<Estimate: {self.thumb.count} {self.thumb.kind}, {self.total / 1e9:.1f} GB>"

    def _repr_html_(self) -> str:
        return preformatted(self.render())

    def _repr_markdown_(self) -> str:
        return self.render("markdown")


def form_of(form: str, forms: tuple[str, ...]) -> str:
    """Return a form that is one of these; raise ValueError, which names them."""
    if form not in forms:
        raise ValueError(f"unknown form `{form}`; there are {', '.join(forms)}")
    return form


def preformatted(text: str) -> str:
    """Return a text as HTML that keeps its lines."""
    return f"<pre>{escape(text)}</pre>"
