"""A machine held against a lock, for people and machines: a table, Markdown or JSON."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from planner.diagnostics.shown import cleaned, json_text
from planner.lock.text import number
from planner.report import figures, markdown
from planner.startup.compare import ComparedPart, Verified

HEAD = ("part", "predicted", "safe end", "reported", "verdict")
WORDS = {"fails": "DOES NOT HOLD", "beyond": "more than predicted", "unpredicted": "not predicted"}
FORMATS = ("table", "json", "markdown")


def render(form: str, found: Verified, lock: str, block: str) -> str:
    """Return it in one of FORMATS; `lock` is the lock's path, `block` a measurement to paste, empty for none."""
    if form == "json":
        return json_text(document(found, lock, block))
    found = cleaned(found)
    rows = [_cells(row) for row in found.rows]
    if form == "markdown":
        out = [f"## {markdown.text(_title(found, lock))}", ""]
        out += markdown.table(HEAD, [tuple(map(markdown.text, row)) for row in rows], frozenset({1, 2, 3}))
        out += ["", *(f"- {markdown.text(line)}" for line in (*reasons(found), *_notes(found)))]
        out += ["", f"**{markdown.text(verdict(found))}**"]
        return "\n".join([*out, "", "```mem", block.rstrip(), "```"] if block else out)
    out = [_title(found, lock)]
    wide = [max(len(row[place]) for row in (HEAD, *rows)) for place in range(5)]
    for row in (HEAD, *rows) if rows else ():
        cells = [row[0].ljust(wide[0]), *(row[at].rjust(wide[at]) for at in (1, 2, 3)), row[4]]
        out.append(f"  {'  '.join(cells)}".rstrip())
    out += [f"  {line}" for line in (*reasons(found), *_notes(found))]
    out.append(verdict(found))
    if block:
        out += ["", "## To paste into the plan: what this machine reported.", block.rstrip()]
    return "\n".join(out)


def _title(found: Verified, lock: str) -> str:
    return f"{found.workload}: {' '.join(filter(None, (found.engine, found.version)))} against {lock}"


def verdict(found: Verified) -> str:
    """Return the whole in one line."""
    if found.apart:
        return "nothing is compared: the log does not match the lock"
    if found.holds:
        return f"holds: {len(found.rows)} figures compared"
    return "does not hold" if found.rows or found.failure else "nothing is compared: no figure has a prediction"


def reasons(found: Verified) -> list[str]:
    """Return each place where the machine is not what is locked, in words."""
    out = [f"{item.quantity}: the log has {item.log}, the lock {item.lock}" for item in (*found.apart, *found.changed)]
    if found.failure:
        out.append(f"the engine did not start: {found.failure}")
    for row in found.rows:
        if row.verdict == "fails":
            least = "at least" if row.bound.least else "at most"
            said, safe = figures.pair(row.part, row.actual.value, row.bound.safe, _unit(row.part))
            out.append(f"{row.label}: {said} reported, {least} {safe} proved")
    if found.short:
        out.append(f"KV cache: {figures.size(found.short)} short of what context and concurrency need")
    return out


def _notes(found: Verified) -> list[str]:
    missing = [f"not in the log: {', '.join(found.unreported)}"] if found.unreported and found.rows else []
    return [*missing, *found.notes]


def _unit(part: str) -> str | None:
    return None if part in ("kv_tokens", "max_concurrency") else "bytes"


def _cells(row: ComparedPart) -> tuple[str, str, str, str, str]:
    unit, sign = _unit(row.part), ">=" if row.bound.least else "<="

    def said(value: Fraction | None) -> str:
        return "-" if value is None else _show(row.part, value, unit)

    safe = "-" if row.bound.safe is None else f"{sign} {said(row.bound.safe)}"
    return row.label, said(row.bound.expected), safe, said(row.actual.value), word(row)


def word(row: ComparedPart) -> str:
    """Return a part's verdict in words: a part that is beyond its safe end is below it where that is the least."""
    if row.verdict == "beyond" and row.bound.least:
        return "less than predicted"
    return WORDS.get(row.verdict, row.verdict)


def _show(part: str, value: Fraction, unit: str | None) -> str:
    if unit is not None:
        return figures.show(part, value, unit)
    return f"{float(value):_.2f}" if value.denominator != 1 else f"{int(value):_}"


def document(found: Verified, lock: str, block: str) -> dict[str, Any]:
    """Return the JSON document: sizes in bytes, counts plain."""
    return {
        "schema": "planner.verified/1",
        "lock": lock,
        "workload": found.workload,
        "engine": found.engine,
        "engine_version": found.version,
        "holds": found.holds,
        "apart": [_unlike(item) for item in found.apart],
        "changed": [_unlike(item) for item in found.changed],
        "failure": found.failure or None,
        "kv_cache_short": found.short,
        "parts": [
            {
                "part": row.part,
                "unit": _unit(row.part),
                "predicted": _plain(row.bound.expected),
                "safe": _plain(row.bound.safe),
                "bound": "least" if row.bound.least else "most",
                "reported": _plain(row.actual.value),
                "verdict": row.verdict,
            }
            for row in found.rows
        ],
        "unreported": list(found.unreported),
        "notes": list(found.notes),
        "measurement": block or None,
    }


def _unlike(item: Any) -> dict[str, str]:
    return {"quantity": item.quantity, "log": item.log, "lock": item.lock}


def _plain(value: Fraction | None) -> Any:
    return None if value is None else number(value) if abs(value) < 1000 else round(value)
