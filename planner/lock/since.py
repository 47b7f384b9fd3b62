"""What has changed since a lock was written: releases, catalog rows and the figures that follow, and what it costs.

A change is a warning. The lock stays good as long as its answer keeps the plan's rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from planner.catalog.catalog import Catalog
from planner.diagnostics.diagnostic import Diagnostic, warning
from planner.language.problem import Problem
from planner.lock.digest import declared, row_digest
from planner.lock.figures import ABSENT, FigureDifference, shown
from planner.lock.read import FORMATS, Lock
from planner.lock.rows import PRICES, Facts, facts
from planner.lock.text import number
from planner.record import dataclass
from planner.solve.candidate import Candidate
from planner.version import __version__

HOURS = 730
"""Hours of a month, as the language has it."""
NEWEST = max(FORMATS.values())


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """A catalog row that is not what a lock recorded: `now` is None where it is gone."""

    kind: str
    key: str
    was: Facts
    now: Facts | None


def changed_rows(problem: Problem, catalog: Catalog, lock: Lock, rows: Mapping[str, Candidate]) -> list[ChangedRow]:
    """Return the rows of a lock whose digest is another now, and those that are gone."""
    first = lock.format == 1
    out = []
    for kind, recorded in lock.used.items():
        try:
            own = {key for key, _ in declared(problem, catalog, kind)}
        except KeyError:  # a kind of row that this release does not have
            out += [ChangedRow(kind, key, was, None) for key, was in recorded.items()]
            continue
        for key, was in recorded.items():
            if first and key in own:
                continue  # the plan and its imports say it, whose own digests hold
            try:
                now = row_digest(problem, catalog, kind, key)
            except KeyError:
                out.append(ChangedRow(kind, key, was, None))
                continue
            if now != was.get("digest"):
                out.append(ChangedRow(kind, key, was, _facts(problem, catalog, kind, key, rows)))
    return out


def _facts(problem: Problem, catalog: Catalog, kind: str, key: str, rows: Mapping[str, Candidate]) -> Facts:
    """Return a row's facts as a workload of the answer that rests on it would record them; none where none is there."""
    for workload in problem.workloads:
        row = rows.get(workload.name)
        own = {"models": workload.model.id, "engines": workload.given.get("engine"), "offers": row.offer if row else ""}
        if row is not None and own.get(kind, key) == key:
            try:
                return facts(problem, catalog, kind, key, row, workload)
            except KeyError:
                return {}
    return {}


def misstated(
    problem: Problem, catalog: Catalog, lock: Lock, rows: Mapping[str, Candidate], changed: Iterable[ChangedRow]
) -> list[FigureDifference]:
    """Return what an older lock says of rows that are unchanged since, and that they do not say; what it does not
    record, or this release no longer does, is not a fault."""
    moved = {(item.kind, item.key) for item in changed}
    out = []
    for kind, recorded in lock.used.items():
        for key, was in recorded.items():
            if len(was) > 1 and (kind, key) not in moved:
                now = _facts(problem, catalog, kind, key, rows)
                both = [
                    name for name in was if name in now and (type(was[name]), was[name]) != (type(now[name]), now[name])
                ]
                out += [FigureDifference(("used", kind, key, name), was[name], now[name]) for name in both]
    if not {kind for kind, _ in moved} & {"engines", "engine_models", "frameworks", "gpus", "models"}:
        out += [
            FigureDifference(("workloads", name, "given", key), was, number(row.given[key]))
            for name, row in rows.items()
            for key, was in lock.workloads[name].get("given", {}).items()
            if key in row.given and (type(was), was) != (type(number(row.given[key])), number(row.given[key]))
        ]
    return out


def is_older(lock: Lock) -> bool:
    """Return whether another release may have computed a lock's figures otherwise."""
    return lock.format < NEWEST or lock.version != __version__


def newer_release(lock: Lock) -> list[Diagnostic]:
    """Return a warning where a lock was written by a newer release than this one, or by what is none."""
    written, own = _release(lock.version), _release(__version__)
    if written is not None and (own is None or written <= own):
        return []
    what = "a newer release than" if written else "an unknown release, and this is"
    message = f"{lock.path} was written by planner {shown(lock.version)}, {what} planner {__version__}"
    return [warning("W0804", message, lock.span("planner"), help="use the release that wrote it")]


def _release(text: str) -> tuple[int, ...] | None:
    match = re.fullmatch(r"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?(?:[.+-]?[a-z0-9.]{1,40})?", text)
    return None if match is None else tuple(int(part or 0) for part in match.groups())


def row_findings(changed: Iterable[ChangedRow], lock: Lock, again: str) -> list[Diagnostic]:
    """Return a W0804 for each changed row: what it said, and what it says now."""
    return [
        warning("W0804", _said(item), lock.span("used", item.kind, item.key), label="recorded here", help=again)
        for item in changed
    ]


def _said(item: ChangedRow) -> str:
    name = f"{item.kind}/{item.key}"
    if item.now is None:
        was = f" (it cost {_price(item.was)})" if _price(item.was) else ""
        return f"{name} is no longer in the catalogs{was}"
    changes = []
    if _price(item.was) and _price(item.now) and _price(item.was, dated=False) != _price(item.now, dated=False):
        dates = [str(side.get("as_of", "")) for side in (item.was, item.now)]
        between = f" ({dates[0]} → {dates[1]})" if all(dates) and dates[0] != dates[1] else ""
        changes.append(f"price {_price(item.was, False)} → {_price(item.now, False)}{between}")
    elif item.was.get("as_of") != item.now.get("as_of") and "as_of" in item.was:
        changes.append(f"price of {item.was['as_of']} → {item.now.get('as_of', 'no date')}")
    skip = {"digest", "as_of", *PRICES.values()}
    recorded = len(item.was) > 1  # the first format has digests alone
    for key in dict.fromkeys((*item.was, *item.now)) if recorded else ():
        if key not in skip and item.now.get(key, ABSENT) != item.was.get(key, ABSENT):
            changes.append(f"{key} {_figure(key, item.was.get(key))} → {_figure(key, item.now.get(key))}")
    if not changes:
        return f"{name} has changed since the lock was written"
    return f"{name} has changed: {', '.join(changes)}"


def _price(row: Facts, dated: bool = True) -> str:
    for key in PRICES.values():
        if isinstance(row.get(key), int | float):
            when = f" on {row['as_of']}" if dated and "as_of" in row else ""
            return f"${row[key]:g}/h{when}"
    return ""


def _figure(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return shown(value)
    if name in ("memory", "usable", "total"):
        return f"{value / 2**30:.2f} GiB"
    return f"{value:_}" if isinstance(value, int) else f"{value:.6g}"


def figure_findings(
    name: str, locked: Mapping[str, Any], now: Mapping[str, Any], lock: Lock, again: str
) -> list[Diagnostic]:
    """Return a W0804 of a workload whose figures are others by today's rows and formulas, with what that costs."""
    digits = 9 if lock.format == 1 else 15
    differences = []
    was_cost, is_cost = locked["cost_micro_usd_per_hour"], now["cost_micro_usd_per_hour"]
    if was_cost != is_cost:
        month = (is_cost - was_cost) * HOURS / 1e6
        sign = "+" if month > 0 else "-"
        differences.append(f"cost ${was_cost / 1e6:g}/h → ${is_cost / 1e6:g}/h ({sign}${abs(month):,.2f} a month)")
    pairs = [
        ("instances", locked["instances"], now["instances"]),
        ("memory", locked["memory"]["total"], now["memory"]["total"]),
        ("usable", locked["memory"]["usable"], now["memory"]["usable"]),
        *((f"memory.{key}", was, is_) for key, was, is_ in _pairs(locked["memory"]["parts"], now["memory"]["parts"])),
        ("peak_moment", locked["memory"].get("peak_moment"), now["memory"].get("peak_moment")),
        *_pairs(locked["outcomes"], now["outcomes"]),
        *_pairs(locked["choice"], now["choice"]),
    ]
    for key, was, is_ in pairs:
        if key == "cost" or _same(was, is_, digits):
            continue
        if not any(item.startswith(f"{key} ") for item in differences):
            figure = "memory" if key.startswith("memory") else key
            differences.append(f"{key} {_figure(figure, was)} → {_figure(figure, is_)}")
    if not differences:
        return []
    message = f"by today's catalogs and formulas `{name}` has {', '.join(differences[:6])}"
    more = f" and {len(differences) - 6} more changes" if len(differences) > 6 else ""
    return [warning("W0804", message + more, lock.span("workloads", name), help=again)]


def _pairs(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterable[tuple[str, Any, Any]]:
    return ((key, was.get(key), now.get(key)) for key in dict.fromkeys((*now, *was)))


def _same(was: Any, now: Any, digits: int) -> bool:
    if type(was) is type(now) and was == now:
        return True
    return (
        isinstance(now, float)
        and not isinstance(was, bool)
        and isinstance(was, int | float)
        and round(now, digits) == was
    )
