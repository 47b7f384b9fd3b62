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


def render(form: str, verified: Verified, lock: str, block: str) -> str:
    """Return it in one of FORMATS; `lock` is the lock's path, `block` a measurement to paste, empty for none."""
    if form == "json":
        return json_text(document(verified, lock, block))
    verified = cleaned(verified)
    rows = [_cells(row) for row in verified.rows]
    if form == "markdown":
        out = [f"## {markdown.text(_title(verified, lock))}", ""]
        out += markdown.table(HEAD, [tuple(map(markdown.text, row)) for row in rows], frozenset({1, 2, 3}))
        out += ["", *(f"- {markdown.text(line)}" for line in (*reasons(verified), *_notes(verified)))]
        out += ["", f"**{markdown.text(verdict(verified))}**"]
        return "\n".join([*out, "", "```mem", block.rstrip(), "```"] if block else out)
    out = [_title(verified, lock)]
    wide = [max(len(row[place]) for row in (HEAD, *rows)) for place in range(5)]
    for row in (HEAD, *rows) if rows else ():
        cells = [row[0].ljust(wide[0]), *(row[at].rjust(wide[at]) for at in (1, 2, 3)), row[4]]
        out.append(f"  {'  '.join(cells)}".rstrip())
    out += [f"  {line}" for line in (*reasons(verified), *_notes(verified))]
    out.append(verdict(verified))
    if block:
        out += ["", "## To paste into the plan: what this machine reported.", block.rstrip()]
    return "\n".join(out)


def _title(verified: Verified, lock: str) -> str:
    return f"{verified.workload}: {' '.join(filter(None, (verified.engine, verified.version)))} against {lock}"


def verdict(verified: Verified) -> str:
    """Return the whole in one line."""
    if verified.apart:
        return "nothing is compared: the log does not match the lock"
    if verified.holds:
        return f"holds: {len(verified.rows)} figures compared"
    return "does not hold" if verified.rows or verified.failure else "nothing is compared: no figure has a prediction"


def reasons(verified: Verified) -> list[str]:
    """Return each place where the machine is not what is locked, in words."""
    out = [
        f"{item.quantity}: the log has {item.log}, the lock {item.lock}"
        for item in (*verified.apart, *verified.changed)
    ]
    if verified.failure:
        out.append(f"the engine did not start: {verified.failure}")
    for row in verified.rows:
        if row.verdict == "fails":
            least = "at least" if row.bound.least else "at most"
            said, safe = figures.pair(row.part, row.actual.value, row.bound.safe, _unit(row.part))
            out.append(f"{row.label}: {said} reported, {least} {safe} proved")
    if verified.short:
        out.append(f"KV cache: {figures.size(verified.short)} short of what context and concurrency need")
    return out


def _notes(verified: Verified) -> list[str]:
    missing = [f"not in the log: {', '.join(verified.unreported)}"] if verified.unreported and verified.rows else []
    return [*missing, *verified.notes]


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


def document(verified: Verified, lock: str, block: str) -> dict[str, Any]:
    """Return the JSON document: sizes in bytes, counts plain."""
    return {
        "schema": "planner.verified/1",
        "lock": lock,
        "workload": verified.workload,
        "engine": verified.engine,
        "engine_version": verified.version,
        "holds": verified.holds,
        "apart": [_unlike(item) for item in verified.apart],
        "changed": [_unlike(item) for item in verified.changed],
        "failure": verified.failure or None,
        "kv_cache_short": verified.short,
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
            for row in verified.rows
        ],
        "unreported": list(verified.unreported),
        "notes": list(verified.notes),
        "measurement": block or None,
    }


def _unlike(item: Any) -> dict[str, str]:
    return {"quantity": item.quantity, "log": item.log, "lock": item.lock}


def _plain(value: Fraction | None) -> Any:
    return None if value is None else number(value) if abs(value) < 1000 else round(value)
