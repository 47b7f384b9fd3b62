"""Choices, broken rules and their remedies in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TypeVar

from planner.language.problem import SLICES, Problem, Value
from planner.language.quantities.outcomes import RENT, STEPS
from planner.language.schema import HOW, QUANTITIES, WHERE, grouped
from planner.record import dataclass
from planner.report import figures
from planner.solve.answer import Conflict, ObjectivePart
from planner.solve.candidate import Broken, Candidate, Hint, aimed
from planner.solve.needs import Need
from planner.wording import need_text, unsupported

PLACE = frozenset({*WHERE, "instances"})
"""Choices that say where it runs; they are printed apart from how it runs."""
SPLITS = frozenset(grouped("split"))
"""Choices that only say how the work is divided."""
NEUTRAL = {row.name: row.neutral for row in QUANTITIES if row.neutral}
"""What is the default; of every other number it is 1."""
MOMENTS = {
    "forward": "the forward pass",
    "loss": "the loss",
    "backward_last_layer": "the last layer's backward pass",
    "backward_first_layer": "the first layer's backward pass",
    "backward_end": "the end of the backward pass",
    "optimizer": "the optimizer's step",
}
SHARE = "gpu_memory_utilization"
"""The rule of physics that is broken where context and CUDA graphs have no room beside the share an engine fills."""
SEQUENCES = "max_sequences"
"""The rule of physics that is broken where an engine admits more sequences than its cache has pages for states."""
WORDS = {"<=": "at most", "<": "less than", ">=": "at least", ">": "more than", "!=": "other than", "==": "", "=": ""}


def unsatisfied(subject: str, count: int) -> str:
    """Return that the constraints of a conflict, so many, cannot be satisfied: all text of an infeasible answer."""
    return f"{subject} cannot all be satisfied" if count > 1 else f"{subject} cannot be satisfied"


def conflicting(count: int) -> str:
    """Return the headline of a conflict that lists its constraints."""
    return unsatisfied("These constraints" if count > 1 else "This constraint", count)


def considered(count: int) -> str:
    """Return how many candidates were considered."""
    return f"{count:_} candidate{'s' if count != 1 else ''} considered"


def in_words(value: Value | Need | None) -> Value | None:
    """Return a value, or a need in words."""
    return need_text(value) if isinstance(value, Need) else value


def moment(name: str) -> str:
    """Return a moment of a training step in words."""
    return MOMENTS.get(name, name)


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A broken rule: its name, what is wrong, and each change that alone makes the plan fit."""

    rule: str
    text: str
    remedies: tuple[str, ...] = ()
    of: str = ""

    def __str__(self) -> str:
        """The fault as one phrase."""
        return f"{self.rule}: {self.text}" + (f"; to fit: {' or '.join(self.remedies)}" if self.remedies else "")


def setup(row: Candidate, layers: int | None = None) -> str:
    """Return how a candidate runs: formats, recipe and splits, without what is the default.

    `layers` are the model's: all of them computed again is what `checkpointing full` says.
    """
    words = []
    for name in _runs(row):
        value = row.choice[name]
        if value in NEUTRAL.get(name, (Fraction(1),)):
            continue
        if name == "checkpointed_layers" and (row.choice.get("checkpointing") == "none" or value == layers):
            continue
        of = f" of {layers}" if name == "checkpointed_layers" and layers else ""
        words.append(f"{name} {_written(name, value)}{of}")
    return ", ".join(words)


def _written(name: str, value: Value) -> str:
    """Return a choice in words; formats per layer `bf16*3+int8*29` as `bf16 in 3 layers + int8 in 29`."""
    if not isinstance(value, str) or "*" not in value:
        return figures.show(name, value)
    runs = [run.rpartition("*") for run in value.split("+")]
    unit = ["layer" if runs[0][2] == "1" else "layers", *[""] * (len(runs) - 1)]
    return " + ".join(f"{of} in {count} {word}".rstrip() for (of, _, count), word in zip(runs, unit, strict=True))


def change(row: Candidate, chosen: Candidate) -> tuple[tuple[str, str], ...]:
    """Return how a candidate runs otherwise than the chosen one."""
    names = dict.fromkeys((*_runs(chosen), *_runs(row)))
    return tuple(
        (name, _written(name, row.choice[name]))
        for name in names
        if name in row.choice and row.choice[name] != chosen.choice.get(name)
    )


def _runs(row: Candidate) -> list[str]:
    known = [name for name in HOW if name in row.choice]
    return known + sorted(name for name in row.choice if name not in HOW and name not in PLACE)


def leading(objective: Sequence[ObjectivePart], workload: str) -> tuple[str, ...]:
    """Return what comes before money in an objective, of what a workload has part in: its options are told by that."""
    out: list[str] = []
    for part in objective:
        owner, _, quantity = part.quantity.rpartition(".")
        if quantity in RENT:
            break
        if owner in ("", "fleet", workload):
            out.append(quantity)
    return tuple(out)


def priced(row: Candidate, goals: Sequence[str], *, option: bool = True) -> str:
    """Return what speaks of a candidate beside its cost per hour: the price of a whole run, what comes before money in
    the objective, the preferences it breaks and, of an `option`, the cost of the whole plan with it."""
    whole = row.outcomes.get(aimed("total_cost"), row.outcomes.get("total_cost"))
    total = [] if whole is None else [f"{figures.show('total_cost', whole)} in all"]
    known = {goal: row.outcomes.get(aimed(goal), row.outcomes.get(goal)) for goal in goals}
    total += [f"{goal} {figures.show(goal, value)}" for goal, value in known.items() if value is not None]
    if row.penalty:
        total.append(f"+{figures.hourly(row.penalty)} for preferences")
    if option and row.together is not None:
        total.append(f"plan {figures.hourly(row.together)}")
    return ", ".join(total)


def operators(problem: Problem | None) -> dict[str, str]:
    """Return the operator of every bound by its rule's name."""
    if problem is None:
        return {}
    own = {bound.rule: bound.operator for item in problem.workloads for bound in item.bounds}
    return own | {bound.rule: bound.operator for bound in problem.fleet}


def hint(item: Hint) -> str:
    """Return a sufficient change, as a plan writes it: `context <= 6_208 tokens`.

    A bound on what follows is loosened, so it is rounded away from what is needed; a bound on what is given is
    tightened, so it is rounded towards it.
    """
    operator = "=" if item.operator == "==" else item.operator
    loosened = item.quantity.rsplit(".", 1)[-1] in STEPS
    value = figures.limit(item.quantity, item.value, item.unit, up=(item.operator in ("<=", "<")) == loosened)
    also = "" if item.also is None else f" and {hint(item.also)}"
    return f"{item.quantity} {operator} {value}{also}"


def fault(item: Broken, operators: dict[str, str]) -> BrokenRule:
    """Return what a candidate breaks, and what would mend it."""
    return BrokenRule(item.rule, _wrong(item, operators), tuple(map(hint, item.hints)))


LIKEWISE = 6
"""So many identical workloads are named where they have one conflict."""
Of = TypeVar("Of", Conflict, BrokenRule)


def sets(conflict: Sequence[Of]) -> list[list[Of]]:
    """Return the rules of a conflict in sets none of which can be kept: one, or one for each of several workloads."""
    owners = {item.of for item in conflict} - {""}
    out: dict[str, list[Of]] = {}
    for item in conflict:
        owner = item.rule.partition(".")[0]
        out.setdefault(item.of or (owner if owner in owners else ""), []).append(item)
    return list(out.values())


def conflict(item: Conflict, operators: dict[str, str]) -> BrokenRule:
    """Return one rule of a conflict, and the smallest changes to it that make the plan fit."""
    broken = replace(_conflict(item, operators), of=item.of)
    if not item.also:
        return broken
    more = f" and {len(item.also) - LIKEWISE:_} more" if len(item.also) > LIKEWISE else ""
    return replace(broken, text=f"{broken.text}; likewise {', '.join(item.also[:LIKEWISE])}{more}")


def _conflict(item: Conflict, operators: dict[str, str]) -> BrokenRule:
    quantity = item.rule.rsplit(".", 1)[-1]
    has, relax = figures.pair(item.rule, in_words(item.has), in_words(item.relax_to), item.unit)
    operator = operators.get(item.rule)
    remedies = list(map(hint, item.hints))
    if quantity == "memory" and operator is None and item.relax_to is not None:
        return BrokenRule(item.rule, f"the closest candidate needs {relax} per GPU; {has} usable", tuple(remedies))
    if quantity == SEQUENCES and operator is None and item.relax_to is not None:
        text = f"{relax} sequences need a page of recurrent state each; the cache has {has}"
        return BrokenRule(item.rule, text, tuple(remedies))
    if quantity == SHARE and operator is None and item.relax_to is not None:
        return BrokenRule(item.rule, f"needs {relax} outside the engine's budget; {has} left", tuple(remedies))
    if item.relax_to is not None and not remedies:
        remedies = [hint(Hint(quantity, operator or "=", in_words(item.relax_to) or "", item.unit))]
    if item.has is None:
        return BrokenRule(item.rule, unsatisfied("", 1).strip(), tuple(remedies))
    if not isinstance(item.has, Fraction) and operator is None:
        return BrokenRule(item.rule, has, tuple(remedies))
    return BrokenRule(item.rule, f"must be {WORDS.get(operator or '', '')} {has}".replace("  ", " "), tuple(remedies))


def _wrong(item: Broken, operators: dict[str, str]) -> str:
    if item.needs is None and item.has is None:
        return "is not satisfied"
    needs, has = figures.pair(item.rule, in_words(item.needs), item.has, item.unit)
    operator = operators.get(item.rule)
    if operator is None and item.rule.endswith(".memory"):
        return f"needs {without_unit(needs, has)} of {has}"
    if operator is None and item.rule.endswith(f".{SEQUENCES}"):
        return f"{needs} sequences need a page of recurrent state each; the cache has {has}"
    if operator is None and item.rule.endswith(f".{SHARE}"):
        return f"needs {without_unit(needs, has)} outside the engine's budget; {has} left"
    if operator is None and isinstance(item.needs, Need):
        return unsupported(item.needs, has)
    if operator is None and (isinstance(item.needs, str) or not isinstance(item.has, Fraction)):
        return f"is {has}, must be {needs}"
    asked = f"{WORDS[operator]} {has}".strip() if operator else has
    if item.needs is None:
        what = "measured" if item.rule.endswith(".quality") else "known"
        return f"not {what}, must be {asked}"
    return f"is {needs}, must be {asked}"


def without_unit(left: str, right: str) -> str:
    """Return `51.20` for `51.20 GiB` beside `44.40 GiB`."""
    unit = right.rpartition(" ")[2]
    return left.removesuffix(f" {unit}")


def served(row: Candidate) -> str:
    """Return how many requests a part of a mix serves, and how long they are."""
    rate = sum((item.rate * item.slices / SLICES for item in row.traffic), Fraction(0))
    prompt, output = (max(sizes) for sizes in zip(*((item.prompt, item.output) for item in row.traffic), strict=True))
    return (
        f"{float(rate):,.4g} req/s with prompts to {figures.tokens(Fraction(prompt))} and outputs to "
        f"{figures.tokens(Fraction(output))}"
    )
