"""Whether a lock still answers its plan: digests, choices, rules and figures, all without a solver."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction

from planner.catalog.catalog import Catalog
from planner.diagnostics.diagnostic import Diagnostic, error, warning
from planner.language.copies import block_of
from planner.language.problem import Problem, Value, Workload
from planner.language.schema import BY_KIND, FROM_OFFER
from planner.lock.certificate import faults
from planner.lock.digest import catalog_digests, declared, import_digests, plan_digest
from planner.lock.figures import FigureDifference, differences, expected, findings_of
from planner.lock.lock import workload as of_workload
from planner.lock.mixes import beyond_cost, has_traffic, placed_as_locked, unserved
from planner.lock.read import Lock
from planner.lock.recompute import contradictions, recompute, value, with_recorded_offers
from planner.lock.since import (
    ChangedRow,
    changed_rows,
    figure_findings,
    is_older,
    misstated,
    newer_release,
    row_findings,
)
from planner.lock.text import number
from planner.solve.answer import Solved
from planner.solve.candidate import Broken, Candidate
from planner.solve.copies import folded
from planner.solve.kinds import unoffered
from planner.solve.needs import Need
from planner.solve.rent.sharing import allocate_costs, broken_together
from planner.wording import need_text


def verify(
    problem: Problem, catalog: Catalog, texts: Mapping[str, str], lock: Lock
) -> tuple[list[Diagnostic], dict[str, Candidate]]:
    """Return what is wrong with a lock, and the locked candidates computed again.

    A lock of the same release and the same rows says nothing but what follows from its choices. One that is older is
    held against itself; what today's rows and formulas make of its choices is a warning, or an error where they break
    a rule.
    """
    again = f"run `planner solve {problem.path}` and review the new lock"
    problem = as_locked(problem, lock)
    stale = _stale(problem, texts, lock, again) or _said(problem, lock, again)
    if stale:
        return stale, {}
    partial = unserved(problem, lock, again)
    if partial:
        return partial, {}
    whole, of = placed_as_locked(problem, lock)
    stated = problem
    problem, lock = whole, replace(lock, of=of)
    today = with_recorded_offers(problem, lock)
    gone = {offer for offer in _offers(lock) if problem.offers.get(offer) is None}
    findings = _searched(problem, catalog, lock, gone, again)
    if findings:
        return findings, {}
    rows: dict[str, Candidate] = {}
    for workload in today.workloads:
        row = recompute(today, workload, lock.workloads[workload.name]["choice"], catalog)
        if row is not None:
            rows[workload.name] = row
    rows = allocate_costs(today, rows)
    changed = changed_rows(problem, catalog, lock, rows)
    findings += newer_release(lock)
    aged = is_older(lock) or bool(changed)
    for workload in today.workloads:
        if workload.name not in rows:
            findings += _unavailable(workload, lock, changed, again)
        else:
            findings += _broken(workload, rows[workload.name], lock, again)
    if len(rows) == len(today.workloads):
        findings += _shared(today, rows, lock, again) + beyond_cost(stated, rows, lock, again)
    kept, _ = folded(rows)
    if not any(item.is_error for item in findings):
        findings += row_findings(changed, lock, again)
        if not aged:
            wanted = expected(today, catalog, texts, lock, rows)
            findings += findings_of(list(_without_domain(differences(lock.document, wanted))), lock, again)
        else:
            wrong = [*contradictions(today, lock), *misstated(today, catalog, lock, rows, changed)]
            findings += findings_of(wrong, lock, again)
            for name, row in kept.items():
                locked = lock.document["workloads"].get(name)
                if locked is not None:
                    findings += figure_findings(name, locked, of_workload(Solved(row, (), ())), lock, again)
    if not any(item.is_error for item in findings):
        findings += faults(problem, lock, again)
        findings += _domain(problem, catalog, lock, again)
    return _once(findings), kept


def as_locked(problem: Problem, lock: Lock) -> Problem:
    """Return the problem of the models that a lock says, where the plan offers several."""
    if not problem.others:
        return problem
    from planner.language.offered import of_models

    rows = lock.document["workloads"].items()
    return of_models(problem, {block_of(name): row.get("given", {}).get("model") for name, row in rows})


def _once(findings: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return findings, those of several copies that the lock answers for as one only once."""
    return list({(item.code, item.message, item.span): item for item in findings}.values())


def _offers(lock: Lock) -> set[str]:
    return {str(row["choice"].get("offer")) for row in lock.workloads.values()}


def _without_domain(unlike: Iterable[FigureDifference]) -> Iterator[FigureDifference]:
    """Yield differences but for catalogs whose digest is another now: of these another finding speaks."""
    kept = list(unlike)
    moved = {item.place[:2] for item in kept if item.place[0] == "catalogs" and item.place[2:] in ((), ("digest",))}
    yield from (item for item in kept if item.place[:2] not in moved)


def _unavailable(workload: Workload, lock: Lock, changed: list[ChangedRow], again: str) -> list[Diagnostic]:
    """Return an E0804 where a choice cannot be computed though all that it rests on is there."""
    rows = ("gpus", "models", "formats", "engines", "frameworks")
    if any(item.now is None and item.kind in rows for item in changed):
        return []
    message = f"the offer locked for `{workload.name}` is no longer available as it is locked"
    return [error("E0804", message, lock.span("workloads", workload.name, "choice", "offer"), help=again)]


def _stale(problem: Problem, texts: Mapping[str, str], lock: Lock, again: str) -> list[Diagnostic]:
    """Return what was said anew since the lock was written."""
    if lock.plan != plan_digest(texts.get(problem.path, "")):
        message = f"{lock.path} is out of date: {problem.path} has changed since it was solved"
        return [error("E0802", message, lock.span("plan"), help=again)]
    now = import_digests(problem.path, texts)
    out = []
    for name in sorted({*now, *lock.imports}):
        if now.get(name) != lock.imports.get(name):
            verb = "was added" if name not in lock.imports else "has changed" if name in now else "was removed"
            message = f'{lock.path} is out of date: imports have changed: "{name}" {verb}'
            out.append(error("E0802", message, lock.span("imports", name), help=again))
    names: dict[str, int] = {}
    for item in problem.workloads:
        names[block_of(item.name)] = names.get(block_of(item.name), 0) + item.copies
    locked: dict[str, int] = {}
    for name, copies in lock.copies.items():
        locked[block_of(name)] = locked.get(block_of(name), 0) + copies
    for name in sorted(names.keys() ^ locked.keys()):
        verb = "has no answer for" if name in names else "has an answer for a workload that was removed:"
        out.append(error("E0802", f"the lock {verb} `{name}`", lock.span("workloads", name), help=again))
    for name in sorted(names.keys() & locked.keys()):
        if names[name] != locked[name] and not has_traffic(problem, name):
            message = f"the lock answers for {locked[name]:_} of the {names[name]:_} copies of `{name}`"
            out.append(error("E0802", message, lock.span("workloads", name), help=again))
    return out


LATER = frozenset({"shard_replicas", "nodes"})
"""Decisions that locks of format 1 do not have: they are made as a plan does that does not mention them."""


def _said(problem: Problem, lock: Lock, again: str) -> list[Diagnostic]:
    """Return the locked choices that the plan does not offer, and the decisions left out."""
    out: list[Diagnostic] = []
    known = {block_of(item.name): item for item in problem.workloads}
    for name, row in lock.workloads.items():
        workload, choice = known[block_of(name)], row["choice"]
        unsaid = [
            row.name
            for row in BY_KIND[workload.kind].values()
            if row.role == "decision"
            and choice.get(row.name) is None
            and (lock.format > 1 or row.name not in LATER or row.name in workload.domains)
        ]
        if unsaid:
            span = lock.span("workloads", name, "choice")
            out.append(error("E0802", f"the locked choice of `{name}` does not say `{unsaid[0]}`", span, help=again))
        for key, written in choice.items():
            if key in FROM_OFFER or key in workload.per_layer or _may_be(workload, key, value(written)):
                continue
            plan = workload.spans.get(key)
            out.append(
                error(
                    "E0802",
                    f"the plan does not offer {name}.{key} = {str(written)[:80]}",
                    lock.span("workloads", name, "choice", key),
                    secondary=((plan, "this is offered"),) if plan else (),
                    help=again,
                )
            )
    return out


def _searched(problem: Problem, catalog: Catalog, lock: Lock, gone: set[str], again: str) -> list[Diagnostic]:
    """Return the rules of structure that locked choices break, and what of them the search would not try for the plan;
    an offer that is `gone` from the catalogs aside."""
    out: list[Diagnostic] = []
    for workload in problem.workloads:
        names, choice = BY_KIND[workload.kind], lock.workloads[workload.name]["choice"]
        decided = {key: value(written) for key, written in choice.items() if key in names}
        try:
            faults = unoffered(problem, workload, decided, catalog)
        except (KeyError, ValueError):
            continue  # a format or an engine that is no longer there
        out += [
            error(
                "E0804",
                f"the locked {workload.name}.{fault.quantity} = {number(fault.has)} is not possible: "
                f"expected {need_text(fault.needs)}",
                lock.span("workloads", workload.name, "choice", fault.quantity),
                help=again,
            )
            for fault in faults
            if fault.quantity != "offer" or fault.has not in gone
        ]
    return out


def _may_be(workload: Workload, key: str, written: Value) -> bool:
    row = BY_KIND[workload.kind].get(key)
    if row is None:
        return True  # a note of another version; what counts is computed again
    if key in workload.domains:
        return written in workload.domains[key]
    if row.type != "number":
        return not row.words or written in row.words
    low, high = row.low, row.high if row.high is not None else Fraction(10**9)
    return isinstance(written, Fraction) and (low is None or low <= written) and written <= high


def _broken(workload: Workload, row: Candidate, lock: Lock, again: str) -> list[Diagnostic]:
    out = []
    for item in row.broken:
        plan = workload.spans.get(item.rule.partition(".")[2])
        out.append(
            error(
                "E0804",
                f"the locked answer of `{workload.name}` breaks {item.rule}{_by(item)}",
                lock.span("workloads", workload.name),
                secondary=((plan, "this rule"),) if plan else (),
                help=again,
            )
        )
    return out


def _plain(needs: Value | Need | None) -> Value | None:
    return need_text(needs) if isinstance(needs, Need) else needs


def _by(item: Broken) -> str:
    if item.needs is None and item.has is None:
        return ""
    needs, has = ("unknown" if figure is None else number(figure) for figure in (_plain(item.needs), item.has))
    return f": {needs} against {has}" + (f" {item.unit}" if item.unit else "")


def _shared(problem: Problem, rows: Mapping[str, Candidate], lock: Lock, again: str) -> list[Diagnostic]:
    """Return the limits and rules over all workloads that the locked answer breaks."""
    spans = {item.rule: item.span for item in problem.fleet} | {item.name: item.span for item in problem.rules}
    out = []
    for item in broken_together(problem, rows):
        plan = spans.get(item.rule)
        out.append(
            error(
                "E0804",
                f"the locked answer breaks {item.rule}{_by(item)}",
                lock.span("workloads"),
                secondary=((plan, "this rule"),) if plan else (),
                help=again,
            )
        )
    return out


def _domain(problem: Problem, catalog: Catalog, lock: Lock, again: str) -> list[Diagnostic]:
    """Return whether rows the plan may choose from changed: the answer holds, but may no longer be the best."""
    now = catalog_digests(problem, catalog)
    kinds = [
        kind
        for kind in sorted({*now, *lock.catalogs})
        if (kind not in now or lock.catalogs.get(kind, {}).get("digest") != now[kind].digest)
        and not (lock.format == 1 and any(declared(problem, catalog, kind)))  # what they digested of these is not known
        and not (is_older(lock) and kind not in lock.catalogs)  # an older release recorded fewer kinds
    ]
    if not kinds:
        return []
    message = f"{', '.join(kinds)} the plan may choose from have changed since {lock.path} was written"
    label = "the answer holds, but another may be better now"
    return [warning("W0802", message, lock.span("catalogs", kinds[0]), label=label, help=again)]
