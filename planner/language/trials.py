"""`test` blocks: the plan with what a test changes, without the rules it drops, and what it expects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from planner.diagnostics import Span
from planner.language.declared.fields import FIELDS_BY_KIND
from planner.language.expressions.types import Env
from planner.language.override import override
from planner.language.problem import Expectation, Problem, Trial
from planner.language.rules import check_values, condition_of
from planner.language.schema import BY_KIND
from planner.language.scope import Scope, near
from planner.syntax import tree

Again = Callable[[tree.File], tuple[Problem | None, Scope, Env]]
"""Resolves a changed plan: the problem, or None with findings in the scope."""


def build_trials(file: tree.File, problem: Problem, scope: Scope, env: Env, again: Again) -> tuple[Trial, ...]:
    """Return the tests of a plan in the order of the file; each mistake in them is noted."""
    out: list[Trial] = []
    seen: dict[str, Span] = {}
    for test in file.items:
        if not isinstance(test, tree.Test):
            continue
        if test.name in seen:
            scope.error(
                "E0302",
                f'the test "{test.name}" is there twice',
                test.span,
                secondary=((seen[test.name], "first here"),),
                help="give it a name of its own",
            )
            continue
        seen[test.name] = test.span
        trial = _trial(file, test, problem, scope, env, again)
        if trial is not None:
            out.append(trial)
    return tuple(out)


def _trial(file: tree.File, test: tree.Test, problem: Problem, scope: Scope, env: Env, again: Again) -> Trial | None:
    before = len(scope.findings)
    relations = [item for item in test.items if isinstance(item, tree.Relation)]
    drops = [item for item in test.items if isinstance(item, tree.Drop)]
    expects = [item for item in test.items if isinstance(item, tree.Expect)]
    if not expects:
        scope.error(
            "E0404",
            f'the test "{test.name}" expects nothing',
            test.span,
            help="add `expect CONDITION`, or `expect infeasible`",
        )
    changed: Problem | None = problem
    inner = env
    if relations:
        other, mistakes = override(file, relations)
        scope.findings.extend(mistakes)
        if not mistakes:
            changed, rescoped, inner = again(other)
            scope.findings.extend(item for item in rescoped.findings if item not in scope.findings)
    if changed is not None:
        changed = _dropped(changed, drops, scope)
    looked = tuple(_expectation(item, changed or problem, scope, replace(inner, scope=scope)) for item in expects)
    wanted = tuple(item for item in looked if item is not None)
    if changed is None or any(item.is_error for item in scope.findings[before:]):
        return None
    return Trial(test.name, replace(changed, trials=()), wanted, test.span)


def rule_names(problem: Problem) -> set[str]:
    """Return the names of all rules a plan states: requirements, preferences, bounds of blocks and of the fleet."""
    names = {rule.name for rule in problem.rules} | {wish.name for wish in problem.preferences}
    names |= {bound.rule for item in problem.workloads for bound in item.bounds}
    return names | {bound.rule for bound in problem.fleet}


def _dropped(problem: Problem, drops: list[tree.Drop], scope: Scope) -> Problem:
    for drop in drops:
        name = drop.name.text
        known = rule_names(problem)
        if name not in known:
            scope.error("E0301", f"unknown rule `{name}`", drop.name.span, help=_rule_help(name, known))
            continue
        problem = replace(
            problem,
            rules=tuple(rule for rule in problem.rules if rule.name != name),
            preferences=tuple(wish for wish in problem.preferences if wish.name != name),
            fleet=tuple(bound for bound in problem.fleet if bound.rule != name),
            workloads=tuple(
                replace(item, bounds=tuple(bound for bound in item.bounds if bound.rule != name))
                for item in problem.workloads
            ),
        )
    return problem


def _expectation(item: tree.Expect, problem: Problem, scope: Scope, env: Env) -> Expectation | None:
    if item.condition is not None:
        condition = condition_of(item.condition, env)
        if condition is not None:
            check_values(condition, item.span, {known.name: known for known in problem.workloads}, scope)
        return None if condition is None else Expectation(condition, False, None, item.span)
    if item.blamed is None:
        return Expectation(None, True, None, item.span)
    name = item.blamed.text
    owner, _, last = name.rpartition(".")
    kind = env.workloads.get(owner)
    fleet = owner == "fleet" and last in FIELDS_BY_KIND["fleet"]
    stock = last == "available" and problem.offers.get(owner) is not None
    if name in rule_names(problem) or (kind is not None and last in BY_KIND[kind]) or fleet or stock:
        return Expectation(None, True, name, item.span)
    table = BY_KIND[kind] if kind is not None else ()
    known = {*rule_names(problem), *(f"{owner}.{key}" for key in table)}
    scope.error("E0301", f"unknown rule `{name}`", item.blamed.span, help=_rule_help(name, known))
    return None


def _rule_help(name: str, names: set[str]) -> str:
    return near(name, names) or "a rule is named by its label, or as workload.quantity"
