"""`require`, `prefer`, the objective and the fleet's bounds: checked, lowered, named."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction

from planner.catalog.records import Gpu
from planner.diagnostics import Span
from planner.language.choices import environment, one
from planner.language.copies import block_of
from planner.language.declared.fields import FIELDS_BY_KIND, MICRO
from planner.language.defaults import valueless
from planner.language.expressions.evaluate import evaluate, names
from planner.language.expressions.lower import constant, truth
from planner.language.expressions.types import Env
from planner.language.problem import FleetBound, Goal, Preference, Rule, Workload, by_run
from planner.language.quantities.outcomes import GOALS, PER_TOKEN
from planner.language.schema import BY_KIND
from planner.language.scope import Scope, near
from planner.syntax import tree
from planner.units.canonical import named

OF_ALL = frozenset({"cost", *PER_TOKEN})
"""What is an objective of all workloads alone: a workload's part depends on who shares its instances."""
DIRECTIONS = ("<=", "<", ">=", ">", "=")


def name_of(item: tree.Require | tree.Prefer, text: str) -> str:
    """Return a rule's name: its label, else the condition as it is written."""
    if item.name is not None:
        return item.name
    span = item.condition.span
    return re.sub(r"\s+", " ", text[span.start : span.end]) or f"{item.span.line}:{item.span.column}"


def build_rules(
    file: tree.File, texts: dict[str, str], scope: Scope, env: Env
) -> tuple[tuple[Rule, ...], tuple[Preference, ...]]:
    """Return the requirements and preferences of a plan, each by name."""
    rules: list[Rule] = []
    wishes: list[Preference] = []
    seen: dict[str, Span] = {}
    for item in file.items:
        if not isinstance(item, tree.Require | tree.Prefer):
            continue
        name = name_of(item, texts.get(item.span.path, ""))
        if name in seen:
            if seen[name] == item.span:
                continue
            word = "labelled" if item.name else "stated"
            scope.error(
                "E0302",
                f"the rule `{name}` is {word} twice",
                item.span,
                secondary=((seen[name], f"first {word} here"),),
                help="give it a name of its own" if item.name else "leave one out",
            )
            continue
        seen[name] = item.span
        condition = condition_of(item.condition, env)
        if isinstance(item, tree.Require):
            if condition is not None:
                rules.append(Rule(name, condition, item.span, item.because))
            continue
        worth = _worth(item.worth, env)
        if condition is not None and worth is not None:
            wishes.append(Preference(name, condition, round(worth * MICRO), item.span))
    return (
        tuple(sorted(rules, key=lambda item: item.name)),
        tuple(sorted(wishes, key=lambda item: item.name)),
    )


def condition_of(node: tree.Expression, env: Env) -> tree.Expression | None:
    """Return a rule's condition lowered, or None after a finding; a rule reads at least one quantity."""
    condition = truth(node, env)
    if condition is None:
        return None
    if not names(condition):
        answer = evaluate(condition, lambda *_: None)
        always = "always" if answer is not None and answer.value is True else "never"
        env.scope.error(
            "E0405",
            f"this rule reads no quantity: it {always} holds",
            node.span,
            help="name a quantity of a workload, like chat.cost",
        )
        return None
    return condition


def check_values(condition: tree.Expression, span: Span, workloads: Mapping[str, Workload], scope: Scope) -> None:
    """Note each quantity that a condition reads and that never has a value: not mentioned, and without a default."""
    for owner, quantity in dict.fromkeys((block_of(owner), quantity) for owner, quantity in names(condition)):
        if owner in workloads and valueless(workloads[owner], quantity):
            scope.error(
                "E0404",
                f"`{owner}` does not say `{quantity}`, which has no default",
                span,
                label="this reads it",
                help=f"add `{quantity} = …` to `{owner}`",
            )


def _worth(node: tree.Expression, env: Env) -> Fraction | None:
    measure = constant(node, env)
    if measure is None:
        return None
    if measure.unit != "USD/h" or not isinstance(measure.value, Fraction):
        is_number = isinstance(measure.value, Fraction)
        unit_name = named(measure.unit) if is_number else "no number"
        env.scope.error("E0401", f"`worth` is money per time, this is {unit_name}", node.span, help="worth $150/month")
        return None
    if measure.value < 0:
        env.scope.error("E0403", "`worth` is not below zero", node.span, help="prefer the opposite")
        return None
    return measure.value


def build_goals(file: tree.File, scope: Scope, env: Env, workloads: Sequence[Workload]) -> tuple[Goal, ...]:
    """Return the objective, most important part first.

    Where a plan states none it is the cost, or the total cost where all workloads are trainings that say `tokens`.
    """
    stated: tree.Optimize | None = None
    goals: list[Goal] = []
    for item in file.items:
        if not isinstance(item, tree.Optimize):
            continue
        if stated is not None:
            scope.error(
                "E0302",
                "the objective is stated twice",
                item.span,
                secondary=((stated.span, "first stated here"),),
                help="join them with `then`",
            )
            continue
        stated = item
        for part in item.parts:
            goal = _goal(part, env)
            if goal is None:
                continue
            if any(goal.quantity == other.quantity for other in goals):
                scope.error(
                    "E0302", f"`{goal.quantity}` stands twice in the objective", part.span, help="leave the second out"
                )
                continue
            goals.append(goal)
    return tuple(goals) or (Goal("total_cost" if by_run(workloads) else "cost", "minimize", None),)


def _goal(part: tree.Objective, env: Env) -> Goal | None:
    scope, value = env.scope, part.value
    text = value.text if isinstance(value, tree.Name) else ""
    quantity = text.removeprefix("fleet.")
    if quantity in GOALS:
        kinds = [kind for kind in BY_KIND if quantity in BY_KIND[kind]]
        if env.workloads and not set(kinds) & set(env.workloads.values()):
            scope.error("E0303", f"no workload of this plan has `{quantity}`", value.span, help=f"{kinds[0]} has it")
            return None
        return Goal(quantity, part.direction, part.span)
    owner, _, last = text.rpartition(".")
    if owner in env.workloads and last in GOALS:
        return _own_goal(part, owner, last, env)
    if isinstance(value, tree.Name):
        scope.error(
            "E0303", f"`{text}` cannot be an objective", value.span, help=near(last or text, GOALS) or ", ".join(GOALS)
        )
    else:
        scope.error("E0405", "an objective is one quantity", value.span, help="minimize cost then maximize headroom")
    return None


def _own_goal(part: tree.Objective, owner: str, quantity: str, env: Env) -> Goal | None:
    """Return an objective of one workload, or None after a finding; in a plan of one it is that of all."""
    kind, span = env.workloads[owner], part.value.span
    if quantity not in BY_KIND[kind]:
        others = [other for other in BY_KIND if quantity in BY_KIND[other]]
        env.scope.error("E0303", f"`{owner}` is {kind}: it has no `{quantity}`", span, help=f"{others[0]} has it")
        return None
    if len(env.workloads) == 1:
        return Goal(quantity, part.direction, part.span)
    if quantity in OF_ALL:
        env.scope.error(
            "E0405",
            f"`{quantity}` of one workload depends on who shares its instances",
            span,
            help=f"{part.direction} {quantity}, or bound it: {quantity} <= … in `{owner}`",
        )
        return None
    return Goal(f"{owner}.{quantity}", part.direction, part.span)


def build_fleet(file: tree.File, scope: Scope) -> tuple[FleetBound, ...]:
    """Return the bounds of the `fleet` blocks, in order of their rules."""
    out: list[FleetBound] = []
    seen: set[Span] = set()
    for item in file.items:
        if not isinstance(item, tree.Declaration) or item.kind != "fleet" or item.span in seen:
            continue
        seen.add(item.span)
        for relation in item.body:
            bound = fleet_bound(relation, scope)
            if bound is not None:
                out.append(bound)
    _fleet_clashes(out, scope)
    return tuple(sorted(out, key=lambda bound: (bound.rule, bound.operator, bound.value)))


def fleet_bound(relation: tree.Relation, scope: Scope) -> FleetBound | None:
    """Return one line of a fleet as a bound, or None after a finding."""
    target, table = relation.target, FIELDS_BY_KIND["fleet"]
    first = target.parts[0]
    row = table.get(first)
    gpu: str | None = None
    if row is None or (len(target.parts) > 1 and first != "available"):
        scope.error(
            "E0303",
            f"a fleet has no `{target.text}`",
            target.span,
            help=near(first, table) or f"it has {', '.join(table)}",
        )
        return None
    if first == "available":
        if len(target.parts) == 1:
            scope.error("E0303", "`available` is of one GPU type", target.span, help="available.h100_sxm <= 16")
            return None
        gpu_row = scope.find("gpu", tree.Name(target.parts[1:], target.span))
        if not isinstance(gpu_row, Gpu):
            return None
        gpu = gpu_row.id
    allowed = ("<=", "<") if gpu else DIRECTIONS
    if relation.operator not in allowed or relation.per_layer:
        scope.error(
            "E0402", f"`{target.text}` of a fleet takes {', '.join(allowed)}", relation.span, help=f"{target.text} <= …"
        )
        return None
    value = one(row, relation.value, environment(scope), bounded=True)
    if not isinstance(value, Fraction):
        return None
    name = f"available.{gpu}" if gpu else first
    return FleetBound(f"fleet.{name}", first, gpu, relation.operator, value, relation.span)


def _fleet_clashes(bounds: list[FleetBound], scope: Scope) -> None:
    for low in bounds:
        if low.operator not in (">=", ">", "="):
            continue
        for high in bounds:
            if high is low or high.rule != low.rule or high.operator not in ("<=", "<", "="):
                continue
            strict = low.operator == ">" or high.operator == "<"
            if low.value > high.value or (low.value == high.value and strict):
                first, second = sorted((low, high), key=lambda item: item.span)
                scope.error(
                    "E0503",
                    f"two bounds on `{low.rule}` exclude each other",
                    second.span,
                    secondary=((first.span, "the other bound"),),
                    help="no value keeps both",
                )
                return
