"""What `nvidia-smi --query-gpu=… --format=csv` prints: of each GPU its name, and how much of its memory is taken.

A query that is repeated (`-l 1`) has a row a second: of each GPU the fullest counts.
"""

from __future__ import annotations

import csv
import re

from planner.startup.reported import Figure, Reported, figure

COLUMNS = {"memory.total": "card", "memory.used": "total"}
_UNIT = re.compile(r"\[(\w+)\]")


def is_table(text: str) -> bool:
    """Return whether a text is such a table with a head: its first line names columns of memory."""
    first = text.lstrip("\ufeff \r\n").partition("\n")[0]
    return "memory.used" in first and "," in f"{first}," and "--query" not in first


def read(text: str) -> Reported:
    """Return the GPUs of a table; raise ValueError where it is none, or says less than what is taken."""
    rows = list(csv.reader(text.lstrip("\ufeff \r\n").splitlines(), skipinitialspace=True))
    head = [cell.strip() for cell in rows[0]] if rows else []
    plain = [cell.partition(" ")[0] for cell in head]
    if "memory.used" not in plain:
        raise ValueError("its first line does not name `memory.used`: query index,name,memory.total,memory.used")
    ranks: dict[str, dict[str, Figure]] = {}
    names: dict[str, None] = {}
    for number, row in enumerate(rows[1:]):
        if len(row) != len(head) or row == rows[0] or not any(row):
            continue
        cells = dict(zip(plain, (cell.strip() for cell in row), strict=True))
        sizes = {
            part: size
            for column, part in COLUMNS.items()
            if (size := _size(cells.get(column, ""), head, plain, column)) is not None
        }
        if "total" not in sizes:
            continue
        card = cells.get("index") or cells.get("uuid") or cells.get("pci.bus_id") or str(number)
        before = ranks.setdefault(card, sizes)
        if sizes["total"].value > before["total"].value:
            ranks[card] = sizes
        if cells.get("name"):
            names[cells["name"]] = None
    if not ranks:
        raise ValueError("no row of it says how much memory is used")
    return Reported("", gpus=tuple(names), ranks=ranks)


def _size(cell: str, head: list[str], plain: list[str], column: str) -> Figure | None:
    """Return a cell's bytes; its unit stands behind it, or in the head."""
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)(?: (\w{1,5}))?", cell)
    if match is None or column not in plain:
        return None
    stated = _UNIT.search(head[plain.index(column)])
    return figure(match[1], match[2] or (stated[1] if stated else "MiB"))
