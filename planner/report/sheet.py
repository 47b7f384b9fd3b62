"""What every renderer shows of an answer, in the order people read it; nothing here knows a screen or a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from planner.diagnostics import Diagnostic
from planner.language.copies import block_of
from planner.language.problem import Problem, Workload
from planner.language.quantities.outcomes import APART, OUTCOMES, RENT
from planner.record import dataclass
from planner.report import by_value, figures, phrases, why
from planner.report.constraints import SharedLimit, Slack, constraints, shared_limits
from planner.report.front import Front, front
from planner.report.requirements import requirements
from planner.solve.answer import Answer, ObjectivePart, Solved
from planner.solve.candidate import EXPECTED, Broken, Candidate, aimed
from planner.solve.copies import is_copied, place_of
from planner.wording import note_text


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of the fullest GPU: the parts live at the peak, its expected and its safe end, and what is usable.

    A training step has its peak at one of its `moments`, which are shown with their totals.
    """

    parts: tuple[tuple[str, int], ...]
    expected: int
    safe: int
    usable: int | None
    moment: str | None = None
    moments: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Option:
    """One way to run a workload. `cost` is in micro-dollars per hour, None where nothing is rented.

    `whole` is what speaks of it beside that, in words (see `phrases.priced`); `change` how it runs otherwise than the
    choice. `as_of` is the date of its price, `part` how many of the rented GPUs it uses where others stay idle, and
    `known` are expected outcomes that options are distinguished by.
    """

    gpu: str
    gpus: int
    hardware: str
    rented: str
    setup: str
    cost: int | None
    memory: Memory
    quality: Fraction | None
    whole: str | None = None
    change: tuple[tuple[str, str], ...] = ()
    faults: tuple[phrases.BrokenRule, ...] = ()
    as_of: str = ""
    part: str = ""
    known: tuple[tuple[str, Fraction], ...] = ()

    def value(self, name: str) -> Fraction | None:
        """Return an outcome that options are distinguished by, None where it is not known."""
        return dict(self.known).get(name)


@dataclass(frozen=True, slots=True)
class WorkloadSheet:
    """One workload: its choice, what follows from it, what binds, what is cheaper and breaks, what is next best.

    `cheaper` is what is better by the objective; `adjective` is the word for that. `about` are the outcomes that the
    workload is about, the first of all; `asked` is what the plan asks, in words, `doc` what it says of it.
    """

    name: str
    kind: str
    model: str | None
    choice: Option
    outcomes: tuple[tuple[str, str], ...]
    slack: tuple[Slack, ...]
    cheaper: tuple[Option, ...]
    alternatives: tuple[Option, ...]
    notes: tuple[str, ...]
    adjective: str = "cheaper"
    about: tuple[str, ...] = ()
    asked: tuple[tuple[str, str], ...] = ()
    doc: str = ""
    copies: int = 1


def foremost(block: WorkloadSheet, count: int) -> tuple[Option, ...]:
    """Return so many of what is better and breaks a rule, in their order: what breaks the fewest rules, and of that the
    nearest in price to the choice; where the objective is not a price what fits its memory, and of that the cheapest.
    """
    cheaper = block.adjective == "cheaper"

    def far(place: int) -> tuple[bool, int, int]:
        item = block.cheaper[place]
        large = not cheaper and item.memory.usable is not None and item.memory.safe > item.memory.usable
        return large, len(item.faults), -place if cheaper else place

    ahead = sorted(range(len(block.cheaper)), key=far)[:count]
    return tuple(block.cheaper[place] for place in sorted(ahead))


@dataclass(frozen=True, slots=True)
class GoalLine:
    """A part of the objective: its value, and what is proven of it."""

    text: str
    value: str
    proof: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """The whole answer."""

    outcome: str
    blocks: tuple[WorkloadSheet, ...]
    cost: int | None
    goals: tuple[GoalLine, ...]
    limits: tuple[SharedLimit, ...]
    wishes: tuple[tuple[str, bool], ...]
    conflict: tuple[phrases.BrokenRule, ...]
    warnings: tuple[Diagnostic, ...]
    reasons: tuple[tuple[str, tuple[why.Reason, ...]], ...]
    considered: int
    reproducible: bool
    front: Front | None = None
    searched: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()
    values: tuple[by_value.Values, ...] = ()


def _both(name: str, row: Candidate, workload: Workload | None = None) -> str:
    """Return an outcome as expected, with its safe end where it has one; of a first token, of which prompt."""
    given = row.given if row.traffic or workload is None else workload.given
    of = given.get("prompt") if workload is not None and name == "ttft" else None
    prompt = f" of a prompt of {figures.tokens(of)}" if isinstance(of, Fraction) else ""
    safe, expected = row.outcomes[name], row.outcomes.get(f"{name}{EXPECTED}")
    assert safe is not None
    if expected is None or expected == safe:
        return figures.show(name, safe) + prompt
    return f"{figures.show(name, expected)} (safe {figures.show(name, safe)}){prompt}"


SHOWN = tuple(row.name for row in OUTCOMES if row.name not in ("memory", "headroom", "cost"))
"""The outcomes that are printed, in this order; memory, headroom and cost have places of their own."""


def sheet(
    answer: Answer,
    problem: Problem | None = None,
    diagnostics: Sequence[Diagnostic] = (),
    traded: Sequence[str] = (),
) -> Sheet:
    """Return what is shown of an answer; the problem adds models' names, operators and shared limits.

    `traded` are the quantities of the front, where the answer has one.
    """
    workloads = {block_of(item.name): item for item in problem.workloads} if problem else {}
    known = phrases.operators(problem)
    return Sheet(
        outcome=answer.outcome,
        blocks=tuple(
            _block(item, workloads, answer.objective, _name(item.chosen, answer)) for item in answer.workloads
        ),
        cost=answer.cost,
        goals=tuple(map(_goal, answer.objective)),
        limits=shared_limits(answer, problem),
        wishes=answer.wishes,
        conflict=tuple(phrases.conflict(item, known) for item in answer.conflict),
        warnings=tuple(item for item in diagnostics if not item.is_error),
        reasons=why.reasons(answer, known),
        considered=answer.considered,
        reproducible=answer.reproducible,
        front=front(answer, traded),
        searched=_searched(answer),
        offers=_offers(answer),
        values=by_value.values(answer, known),
    )


def _goal(part: ObjectivePart) -> GoalLine:
    value = figures.show(part.quantity, part.value, part.unit)
    if part.penalty:
        value += f" + {figures.show(part.quantity, part.penalty, part.unit)} for preferences not kept"
    over = "" if part.over == "sum" else f" ({'largest' if part.direction == 'minimize' else 'least'} of all)"
    if part.value is None:
        return GoalLine(f"{part.direction} {part.quantity}{over}", value, "not known of every workload")
    if part.bound is None:
        return GoalLine(f"{part.direction} {part.quantity}{over}", value, "no bound found")
    bound = "proven" if part.value == part.bound else f"bound {figures.show(part.quantity, part.bound, part.unit)}"
    return GoalLine(f"{part.direction} {part.quantity}{over}", value, bound)


def _limit(key: str, most: int) -> str:
    if key == "offer":
        return "one offer for all replicas"
    return f"no {key}" if most == 1 else f"{key} up to {most:_}"


def _searched(answer: Answer) -> tuple[str, ...]:
    """Return the limits of what was searched in words, workloads with the same limits together."""
    groups: dict[str, list[str]] = {}
    for name, limits in answer.searched.items():
        said = [_limit(key, most) for key, most in limits.items()]
        groups.setdefault(", ".join(said), []).append(name)
    if len(groups) == 1 and len(answer.searched) >= len(answer.workloads):
        return tuple(groups)
    return tuple(f"{', '.join(names)}: {said}" for said, names in groups.items())


def _offers(answer: Answer) -> tuple[str, ...]:
    """Return which shipped offers the plan's own replace, and how many are left out because their price is old."""
    out = [f"{name} replaces {', '.join(ids)}" for name, ids in answer.replaced.items()]
    if answer.brief:
        out.append(f"alternatives of {len(answer.workloads):_} workloads are not listed: `--top 4` looks for them")
    groups: dict[int, list[str]] = {}
    for name, count in answer.left_out.items():
        groups.setdefault(count, []).append(name)
    alone = len(answer.left_out) == len(answer.workloads or answer.left_out) and len(groups) == 1
    for count, names in groups.items():
        few, whose = ("1 offer is", "its") if count == 1 else (f"{count} offers are", "their")
        of = "" if alone else f"{', '.join(names)}: "
        out.append(f"{of}{few} left out: {whose} price is more than a year older than the catalog")
    return tuple(out)


def memory(row: Candidate) -> Memory:
    """Return a candidate's memory; the safe end is its total, the expected one lies the margin below."""
    parts = tuple((name, amount) for name, amount in row.parts.items() if amount and name != "margin")
    expected = row.total - row.parts.get("margin", 0)
    return Memory(parts, expected, row.total, row.usable or None, row.peak_moment, tuple(row.moments.items()))


def option(
    row: Candidate, chosen: Candidate, operators: dict[str, str], layers: int | None, goals: Sequence[str] = ()
) -> Option:
    """Return a candidate as it is shown beside the chosen one; `goals` are quantities that are said of it."""
    quality = row.outcomes.get("quality")
    return Option(
        gpu=row.gpu,
        gpus=row.gpus,
        hardware=f"{row.gpus} x {row.gpu}",
        rented=_rented(row),
        setup=phrases.setup(row, layers),
        cost=row.cost,
        memory=memory(row),
        quality=quality if isinstance(quality, Fraction) else None,
        whole=phrases.priced(row, goals) or None,
        change=phrases.change(row, chosen),
        faults=tuple(phrases.fault(item, operators) for item in row.broken),
        as_of="" if row.choice.get("provider") == "own" else row.price_as_of,
        part=_part(row),
        known=tuple(_pictured(row)),
    )


PICTURED = ("tpot", "ttft", "throughput", "duration", "step_time", "quality", "headroom")
"""The outcomes that options may be distinguished by."""
ABOUT = {"inference": ("tpot", "quality"), "training": ("duration", "step_time", "quality")}
"""What a workload is about where neither its objective nor a bound says it."""


def _pictured(row: Candidate) -> Iterator[tuple[str, Fraction]]:
    for name in PICTURED:
        value = row.outcomes.get(aimed(name), row.outcomes.get(name))
        if isinstance(value, Fraction):
            yield name, value


def _part(row: Candidate) -> str:
    """Return how many of the rented GPUs are used, where some stay idle: `4 of 8 rented`."""
    alone = not any(note.kind == "shares" for note in row.notes)  # else another workload uses the others
    return f"{row.gpus} of {row.rented} rented" if alone and row.rented > row.gpus else ""


def _about(kind: str, goals: Sequence[str], slack: Sequence[Slack]) -> tuple[str, ...]:
    """Return the outcomes that a workload is about: of the objective, of bounds, and what remains."""
    bounded = [entry.rule.rpartition(".")[2].removesuffix("_p95") for entry in slack]
    names = dict.fromkeys((*goals, *bounded, *ABOUT[kind], "headroom"))
    return tuple(name for name in names if name in PICTURED)


def _rented(row: Candidate) -> str:
    market = str(row.choice.get("market", "on_demand")).replace("_", " ")
    owned = row.choice.get("provider") == "own"
    times = f"{row.instances} x " if row.instances != 1 else ""
    alone = not any(note.kind == "shares" for note in row.notes)  # else another workload uses the others
    part = f", {row.gpus} of {row.rented} GPUs used" if alone and row.rented > row.gpus else ""
    dated = f", price of {row.price_as_of}" if row.price_as_of and not owned else ""
    return f"{times}{row.offer}" + (" (owned)" if owned else f", {market}{dated}") + part


def _is_shown(name: str, row: Candidate, slack: Sequence[Broken], goals: Sequence[str]) -> bool:
    """Return whether an outcome is printed: percentiles with a `demand` or a bound, host memory where there is any, the
    cost of prompts and of answers where a bound or the objective reads one."""
    bounded = any(entry.rule.rpartition(".")[2] == name for entry in slack)
    if name in APART:
        return bounded or not set(APART).isdisjoint(goals)
    if name == "host_memory":
        return bool(row.outcomes.get(name))
    return not name.endswith("_p95") or row.outcomes.get("load") is not None or bounded


def _name(row: Candidate, answer: Answer) -> str:
    """Return what a workload is called: with how many copies of its block it is, where there are several."""
    block = block_of(row.workload)
    if row.traffic and len(answer.workloads) > 1:
        return f"{row.workload} (part {place_of(row.workload)[1]} of {len(answer.workloads)})"
    if row.traffic or not is_copied(row):
        return row.workload
    every = sum(item.chosen.copies for item in answer.workloads if block_of(item.chosen.workload) == block)
    return f"{row.workload} ({row.copies:_}{f' of {every:_}' if every > row.copies else ''} copies)"


def _block(
    item: Solved, workloads: Mapping[str, Workload], objective: Sequence[ObjectivePart], name: str
) -> WorkloadSheet:
    row = item.chosen
    workload = workloads.get(block_of(row.workload))
    goals = phrases.leading(objective, row.workload)
    money = not objective or objective[0].quantity.rpartition(".")[2] in RENT
    operators = {bound.rule: bound.operator for bound in workload.bounds} if workload else {}
    architecture = workload.model.architecture if workload else None

    def shown(other: Candidate) -> Option:
        chosen = option(other, row, operators, architecture.layers if architecture else None, goals)
        if row.copies == 1 or other is row:
            return chosen
        return replace(chosen, whole=", ".join(filter(None, ("one copy", chosen.whole))))

    aims = [part.quantity.rpartition(".")[2] for part in objective]
    shown_names = [
        name for name in SHOWN if row.outcomes.get(name) is not None and _is_shown(name, row, item.slack, aims)
    ]
    outcomes = tuple((name, _both(name, row, workload)) for name in shown_names)
    if row.traffic:
        outcomes = (("serves", phrases.served(row)), *outcomes)
    if row.copies > 1 and row.outcomes.get("cost") is not None:
        outcomes = (("cost of a copy", figures.show("cost", row.outcomes["cost"])), *outcomes)
    fitting = {(other.gpu, other.gpus) for other in (row, *item.alternatives)}
    slack = constraints(row, workload, item.slack, operators)
    return WorkloadSheet(
        name=name,
        kind=row.kind,
        model=workload.model.id if workload else None,
        choice=shown(row),
        outcomes=outcomes,
        slack=tuple(sorted(slack, key=lambda entry: (entry.share is None, entry.share or 0))),
        cheaper=tuple(shown(other) for other in item.rejected if (other.gpu, other.gpus) not in fitting),
        alternatives=tuple(shown(other) for other in item.alternatives),
        notes=tuple(note_text(note) for note in row.notes),
        adjective="cheaper" if money else "better",
        about=_about(row.kind, aims, slack),
        asked=requirements(workload) if workload else (),
        doc=(workload.doc or "").strip() if workload else "",
        copies=row.copies,
    )
