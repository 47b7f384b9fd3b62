"""The generated pages: the language from its table, one for each code, formats and GPUs from the catalogs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

from planner.catalog.load import load
from planner.diagnostics.codes import CODES
from planner.language.quantities.quantity import Quantity
from planner.language.schema import BY_KIND
from planner.report.explain import unmentioned
from planner.units.quantity import UNITS

PASSES = {
    "00": "file",
    "01": "syntax",
    "02": "imports and catalogs",
    "03": "names",
    "04": "types and units",
    "05": "choices",
    "06": "lints",
    "07": "outcome of solving",
    "08": "lock",
    "09": "tests",
    "99": "the program itself",
}
ROLES = {
    "given": "Given: what the plan states",
    "decision": "Decisions: what the plan fixes, offers or leaves to the solver",
    "outcome": "Outcomes: what follows, and can be bounded",
}


def pages() -> dict[str, str]:
    """Return the text of each generated page by its path under docs/generated/."""
    out = {"quantities.md": _quantities(), "units.md": _units(), "formats.md": _formats(), "gpus.md": _gpus()}
    out["codes/index.md"] = _codes()
    return out | {f"codes/{code}.md": _code(code) for code in CODES}


def write(folder: Path) -> None:
    """Write the generated pages, and touch none that is as it was."""
    for name, text in pages().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in lines) + "\n"


def _quantities() -> str:
    out = ["# Quantities\n", "Every row of the one table that checks plans, completes them and explains them.\n"]
    for kind, rows in BY_KIND.items():
        out.append(f"## {kind}\n")
        for role, title in ROLES.items():
            cells = [
                (f"`{row.name}`", _takes(row), row.unit or "", unmentioned(row), row.doc)
                for row in rows.values()
                if row.role == role
            ]
            out.append(f"### {title} ({kind})\n")
            out.append(_table(("quantity", "takes", "unit", "unless said", "what it is"), cells))
    return "\n".join(out)


def _takes(row: Quantity) -> str:
    if row.words:
        return ", ".join(f"`{word}`" for word in row.words)
    if row.type != "number":
        return row.type
    low = "" if row.low is None else f"from {_number(row.low)}"
    high = "" if row.high is None else f" to {_number(row.high)}"
    return f"number {low}{high}".strip()


def _number(value: Fraction) -> str:
    return str(int(value)) if value.denominator == 1 else f"{float(value):g}"


def _units() -> str:
    cells = [(f"`{name}`", str(canonical or ""), f"{float(scale):g}") for name, (scale, canonical) in UNITS.items()]
    text = "A number and its unit are one token; a mismatch of dimensions is an error that shows both sides.\n"
    return "\n".join(("# Units\n", text, _table(("unit", "of", "in canonical units"), cells)))


def _formats() -> str:
    rows = []
    for row in load()[0].formats.values():
        shape = "" if row.exponent is None else f"{row.exponent} / {row.mantissa}"
        largest = "" if row.largest is None else f"{float(row.largest):g}"
        epsilon = "" if row.epsilon is None else f"{float(row.epsilon):g}"
        rows.append((f"`{row.id}`", row.name, f"{float(row.bits):g}", shape, largest, epsilon))
    head = ("id", "name", "bits a weight, with its scales", "exponent / mantissa bits", "largest value", "epsilon")
    text = "`planner explain ID` says more of one: what it leaves alone, what runs it, and the source.\n"
    return "\n".join(("# Number formats\n", text, _table(head, rows)))


def _gpus() -> str:
    rows = [
        (
            f"`{row.id}`",
            row.name,
            row.vendor,
            f"{row.memory / 2**30:.1f}",
            f"{row.bandwidth / 1e9:_.0f}" if row.bandwidth else "",
        )
        for row in load()[0].gpus.values()
    ]
    head = ("id", "name", "vendor", "usable GiB", "GB/s")
    text = "`usable` is what a framework sees of the device, not the marketed figure.\n"
    return "\n".join(("# GPUs\n", text, _table(head, rows)))


def _codes() -> str:
    out = ["# Diagnostic codes\n", "`planner explain CODE` prints the same on the command line.\n"]
    for prefix, name in PASSES.items():
        mine = sorted(code for code in CODES if code[1:3] == prefix)
        if mine:
            out.append(f"## {prefix}: {name}\n")
            out.append(_table(("code", "what"), [(f"[{code}]({code}.md)", CODES[code].title) for code in mine]))
    toctree = "\n".join(sorted(CODES, key=lambda code: (code[1:], code)))
    return "\n".join((*out, f"```{{toctree}}\n:hidden:\n\n{toctree}\n```\n"))


def _code(code: str) -> str:
    page = CODES[code]
    severity = "An error" if code.startswith("E") else "A warning"
    return (
        f"# {code}: {page.title}\n\n{severity} of the pass *{PASSES[code[1:3]]}*.\n\n{page.why}\n\n"
        f"## An example\n\n```text\n{page.example}\n```\n\n## Instead\n\n```text\n{page.instead}\n```\n"
    )
