"""Whether a lock still answers its plan: digests, choices, rules and figures, all without a solver."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from planner.catalog.catalog import Catalog
from planner.diagnostics.diagnostic import Diagnostic, error, warning
from planner.language.problem import Problem, Value, Workload
from planner.language.schema import BY_KIND
from planner.lock.digest import catalog_digests, import_digests, plan_digest, row_digest
from planner.lock.lock import plain
from planner.lock.read import Lock
from planner.lock.recompute import FOLLOWS, recompute, value
from planner.solve.candidate import Broken, Candidate
from planner.solve.offered import unoffered
from planner.solve.together import broken_together, settle_costs


def verify(
    problem: Problem, catalog: Catalog, texts: Mapping[str, str], lock: Lock, strict: bool = False
) -> tuple[list[Diagnostic], dict[str, Candidate]]:
    """Return what is wrong with a lock, and the locked candidates computed again.

    `strict` makes an error of a catalog that changed where the plan might have chosen from.
    """
    again = f"run `planner solve {problem.path}` and review the new lock"
    stale = _stale(problem, texts, lock, again) or _offered(problem, catalog, lock, again)
    if stale:
        return stale, {}
    found: list[Diagnostic] = []
    rows: dict[str, Candidate] = {}
    for workload in problem.workloads:
        locked = lock.workloads[workload.name]
        row = recompute(problem, workload, locked["choice"], catalog)
        if row is None:
            where = lock.span("workloads", workload.name, "choice", "offer")
            found.append(error("E0804", f"`{workload.name}` can no longer be had as it is locked", where, help=again))
            continue
        rows[workload.name] = row
    rows = settle_costs(problem, rows)
    for workload in problem.workloads:
        if workload.name not in rows:
            continue
        row = rows[workload.name]
        found += _broken(workload, row, lock, again) or _figures(problem, catalog, workload, row, lock, again)
    if not found:
        found += _shared(problem, rows, lock, again)
    if not found:
        found += _domain(problem, catalog, lock, again, strict)
    return found, rows


def _stale(problem: Problem, texts: Mapping[str, str], lock: Lock, again: str) -> list[Diagnostic]:
    """Return what was said anew since the lock was written."""
    if lock.plan != plan_digest(texts.get(problem.path, "")):
        message = f"{lock.path} answers another text of this plan"
        return [error("E0802", message, lock.span("plan"), label="the plan has changed since", help=again)]
    now = import_digests(problem.path, texts)
    out = []
    for name in sorted({*now, *lock.imports}):
        if now.get(name) != lock.imports.get(name):
            verb = "is imported anew" if name not in lock.imports else "has changed" if name in now else "is gone"
            message = f'{lock.path} answers other imports: "{name}" {verb}'
            out.append(error("E0802", message, lock.span("imports", name), help=again))
    names = {item.name for item in problem.workloads}
    for name in sorted(names ^ set(lock.workloads)):
        verb = "has no answer for" if name in names else "answers a workload that is gone:"
        out.append(error("E0802", f"the lock {verb} `{name}`", lock.span("workloads", name), help=again))
    return out


def _offered(problem: Problem, catalog: Catalog, lock: Lock, again: str) -> list[Diagnostic]:
    """Return the locked choices that the search would not enumerate for the plan, and the decisions left out."""
    out: list[Diagnostic] = []
    for workload in problem.workloads:
        before = len(out)
        choice = lock.workloads[workload.name]["choice"]
        unsaid = [
            row.name
            for row in BY_KIND[workload.kind].values()
            if row.role == "decision" and choice.get(row.name) is None
        ]
        if unsaid:
            span = lock.span("workloads", workload.name, "choice")
            out.append(
                error("E0802", f"the locked choice of `{workload.name}` does not say `{unsaid[0]}`", span, help=again)
            )
        for key, written in choice.items():
            if key in FOLLOWS or key in workload.per_layer or _may_be(workload, key, value(written)):
                continue
            plan = workload.spans.get(key)
            out.append(
                error(
                    "E0802",
                    f"the plan does not offer {workload.name}.{key} = {str(written)[:80]}",
                    lock.span("workloads", workload.name, "choice", key),
                    secondary=((plan, "this is offered"),) if plan else (),
                    help=again,
                )
            )
        if len(out) == before:
            out += _searched(problem, workload, choice, catalog, lock, again)
    return out


def _searched(
    problem: Problem, workload: Workload, choice: Mapping[str, Any], catalog: Catalog, lock: Lock, again: str
) -> list[Diagnostic]:
    """Return the rules of structure that a choice breaks, and its values that are not what is tried where a plan does
    not say."""
    names = BY_KIND[workload.kind]
    decided = {key: value(written) for key, written in choice.items() if key in names}
    return [
        error(
            "E0804",
            f"the locked {workload.name}.{fault.quantity} = {plain(fault.has)} cannot be: expected {fault.needs}",
            lock.span("workloads", workload.name, "choice", fault.quantity),
            help=again,
        )
        for fault in unoffered(problem, workload, decided, catalog)
    ]


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


def _by(item: Broken) -> str:
    if item.needs is None and item.has is None:
        return ""
    needs, has = (("unknown" if number is None else plain(number)) for number in (item.needs, item.has))
    return f": {needs} against {has}" + (f" {item.unit}" if item.unit else "")


def _figures(
    problem: Problem, catalog: Catalog, workload: Workload, row: Candidate, lock: Lock, again: str
) -> list[Diagnostic]:
    """Return the figures that are not what was locked, and the catalog rows that changed."""
    locked = lock.workloads[workload.name]
    memory = locked["memory"]
    pairs: list[tuple[str, Any, Any, tuple[str, ...]]] = [
        ("cost_micro_usd_per_hour", locked["cost_micro_usd_per_hour"], row.cost, ()),
        ("instances", locked["instances"], row.instances, ()),
        ("usable", memory["usable"], row.usable, ("memory",)),
        ("total", memory["total"], row.total, ("memory",)),
        *((name, locked["choice"].get(name), plain(now), ("choice",)) for name, now in sorted(row.choice.items())),
        *((name, memory["parts"].get(name), size, ("memory", "parts")) for name, size in row.parts.items()),
        *(
            (name, locked["outcomes"].get(name), plain(now), ("outcomes",))
            for name, now in sorted(row.outcomes.items())
            if now is not None
        ),
    ]
    other = [(name, was, now, keys) for name, was, now, keys in pairs if was != now]
    if not other:
        return []
    name, was, now, keys = other[0]
    changed = _changed(problem, catalog, lock)
    reason = f"; changed since: {', '.join(changed)}" if changed else ""
    more = f" and {len(other) - 1} more" if len(other) > 1 else ""
    return [
        error(
            "E0802",
            f"the locked {name}{more} of `{workload.name}` is not what it is now{reason}",
            lock.span("workloads", workload.name, *keys, name),
            label=f"now {now}" if was is not None else "missing",
            help=again,
        )
    ]


def _changed(problem: Problem, catalog: Catalog, lock: Lock) -> list[str]:
    """Return the rows the answer uses whose content is not what it was, as `offers/ID`."""
    out = []
    for kind, rows in lock.used.items():
        for key, was in rows.items():
            try:
                now = row_digest(problem, catalog, kind, key)
            except KeyError:
                out.append(f"{kind}/{key} (gone)")
                continue
            if now != was:
                out.append(f"{kind}/{key}")
    return out


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


def _domain(problem: Problem, catalog: Catalog, lock: Lock, again: str, strict: bool) -> list[Diagnostic]:
    """Return whether rows the plan may choose from changed: the answer holds, but may no longer be the best."""
    now = catalog_digests(problem, catalog)
    kinds = [
        kind
        for kind in sorted({*now, *lock.catalogs})
        if kind not in now or lock.catalogs.get(kind, {}).get("digest") != now[kind].digest
    ]
    if not kinds:
        return []
    message = f"{', '.join(kinds)} the plan may choose from have changed since {lock.path} was written"
    make, code = (error, "E0802") if strict else (warning, "W0802")
    label = "the answer holds, but another may be better now"
    return [make(code, message, lock.span("catalogs", kinds[0]), label=label, help=again)]
