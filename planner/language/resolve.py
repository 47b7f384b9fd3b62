"""From the tree of a plan to its problem: each pass in its order, every mistake of the file found at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from planner.catalog.offers import Offers
from planner.catalog.reading.table import Both
from planner.diagnostics import Diagnostic, Span
from planner.language.choices import environment
from planner.language.copies import MOST_APART, is_related, written_out
from planner.language.declared.declare import collect, compute_lets
from planner.language.expressions.types import Env
from planner.language.problem import Problem, Workload
from planner.language.rules import build_fleet, build_goals, build_rules, check_values
from planner.language.schema import WORKLOADS
from planner.language.scope import Scope, suggesting
from planner.language.workload import build_workload
from planner.syntax import tree

if TYPE_CHECKING:
    from planner.catalog.catalog import Catalog

ROWS = ("format", "gpu", "model", "offer", "measurement")
"""The kinds of rows in the order in which one may need another."""


def resolve(
    file: tree.File, catalog: Catalog, digest: str = "", texts: Mapping[str, str] | None = None
) -> tuple[Problem | None, tuple[Diagnostic, ...]]:
    """Return the problem a file states, or None with its errors. `texts` are those of the file and its imports."""
    with suggesting():
        return _whole(file, catalog, digest, {file.path: file.text, **(texts or {})})


def names_of(file: tree.File, catalog: Catalog, texts: Mapping[str, str]) -> Env:
    """Return what names mean in a file, also in one with errors: what could be declared of it, whatever is wrong.

    The findings of the scope are not complete: those are `resolve`'s.
    """
    with suggesting():
        return _resolve(file, catalog, "", {file.path: file.text, **texts})[2]


def _whole(
    file: tree.File, catalog: Catalog, digest: str, every: dict[str, str]
) -> tuple[Problem | None, tuple[Diagnostic, ...]]:
    problem, scope, env = _resolve(file, catalog, digest, every)
    if problem is not None and any(isinstance(item, tree.Test) for item in file.items):
        from planner.language.trials import build_trials

        trials = build_trials(file, problem, scope, env, lambda other: _resolve(other, catalog, digest, every))
        problem = replace(problem, trials=trials)
    findings = _once(scope.findings)
    if any(finding.is_error for finding in findings):
        problem = None
    return problem, findings


def _resolve(
    file: tree.File, catalog: Catalog, digest: str, texts: dict[str, str]
) -> tuple[Problem | None, Scope, Env]:
    scope = Scope(catalog, file.path)
    if any(isinstance(item, tree.Import) for item in file.items):
        from planner.language.tables import adopt

        adopt(file, scope)
    collect(file, scope)
    compute_lets(scope)
    for kind in ROWS:
        rows = [item for item in scope.declared.values() if item.kind == kind]
        for item in sorted(rows, key=lambda item: item.base is not None and scope.spelled(item.base) in scope.declared):
            _declare(item, scope)
    workloads: list[Workload] = []
    for item in scope.declared.values():
        if item.kind in WORKLOADS:
            built = build_workload(item, scope)
            if built is not None:
                workloads.append(built)
    copies = {item.name: item.copies for item in workloads if item.copies > 1}
    env = environment(scope, workloads=scope.kinds, copies=copies)
    fleet = build_fleet(file, scope)
    rules, wishes = build_rules(file, texts, scope, env)
    known = {item.name: item for item in workloads}
    conditions = [(rule.condition, rule.span) for rule in rules] + [(wish.condition, wish.span) for wish in wishes]
    for condition, span in conditions:
        check_values(condition, span, known, scope)
    goals = build_goals(file, scope, env, workloads)
    if any(item.traffic for item in workloads):
        from planner.language.mixes import check_company

        check_company(workloads, fleet, rules, wishes, goals, scope)
    if not env.workloads and not scope.findings:
        scope.error(
            "E0404",
            "the plan has no workload",
            Span(file.path, 0, 0, 1, 1),
            help="add an `inference NAME { … }` or a `training NAME { … }` block; `planner init` writes one",
        )
    if any(finding.is_error for finding in scope.findings):
        return None, scope, env
    problem = Problem(
        path=file.path,
        workloads=tuple(sorted(workloads, key=lambda item: item.name)),
        rules=rules,
        preferences=wishes,
        fleet=fleet,
        goals=goals,
        gpus=Both(catalog.gpus, scope.gpus),
        formats=Both(catalog.formats, scope.formats),
        offers=Offers(catalog.offers, scope.offers, scope.replaced),
        lets={name: scope.lets[name] for name in sorted(scope.lets)},
        digest=digest,
        engines=dict(scope.engines),
        quality=tuple(scope.quality),
        measurements=tuple(scope.measurements),
        frameworks=catalog.frameworks if any(item.kind == "training" for item in workloads) else {},
    )
    return _related(problem, copies, scope), scope, env


def _related(problem: Problem, copies: Mapping[str, int], scope: Scope) -> Problem | None:
    """Return a problem whose copies are workloads of their own where a rule relates them; None after a finding."""
    if not copies:
        return problem
    stated = [(item.name, item.condition, item.span) for item in problem.rules]
    stated += [(item.name, item.condition, item.span) for item in problem.preferences]
    rule = next(((name, span) for name, condition, span in stated if is_related(condition, copies)), None)
    if rule is None:
        return problem
    if problem.count > MOST_APART:
        most = ", ".join(f"{count:_} copies of `{name}`" for name, count in copies.items())
        scope.error(
            "E0406",
            f"`{rule[0]}` reads each of the {problem.count:_} workloads by itself ({most})",
            rule[1],
            help=f"a plan with such a rule may have {MOST_APART}: bound what they have together in `fleet {{ … }}`, or "
            "what each has in its block",
        )
        return None
    return written_out(problem)


def _declare(item: tree.Declaration, scope: Scope) -> None:
    """Add a declared row to the scope; each kind is imported when a plan first has one, for `check` to start soon."""
    match item.kind:
        case "format":
            from planner.language.declared.formats import declare_format as declare
        case "model":
            from planner.language.declared.models import declare_model as declare
        case "gpu":
            from planner.language.declared.hardware import declare_gpu as declare
        case "measurement":
            from planner.language.declared.measurements import declare_measurement as declare
        case _:
            from planner.language.declared.hardware import declare_offer as declare
    declare(item, scope)


def _once(findings: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return findings in the order of the file, one for each code and place."""
    kept: dict[tuple[str, Span | None], Diagnostic] = {}
    for item in findings:
        kept.setdefault((item.code, item.span), item)
    none = Span("", 0, 0, 0, 0)
    return tuple(sorted(kept.values(), key=lambda item: (item.span or none, item.code)))
