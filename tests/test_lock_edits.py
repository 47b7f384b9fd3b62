"""Every single field of a lock edited, its checksum made anew: `check` finds each of the edits."""

from __future__ import annotations

import copy
import itertools
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lock_plans import plan

from planner.cli.plan import Loaded, load_plan
from planner.diagnostics.diagnostic import Diagnostic
from planner.lock import read as reading
from planner.lock.certificate import prove
from planner.lock.lock import document, sealed
from planner.lock.recompute import recompute
from planner.lock.verify import verify
from planner.solve import solve

ROOT = Path(__file__).parents[1]
PLANS = sorted(path.name for path in (ROOT / "examples").glob("*.mem") if path.with_suffix(".mem.lock").exists())
UNSEEN = {
    ("planner",): "which release wrote a lock is for people to know: the same figures by an older one are no fault",
}
"""Edits that nothing tells from what a lock may say, each with its reason."""
MOST = 130
"""So many edits of a lock are tried, of the long ones a drawn part."""
SLOW = {"mix.mem": 30}
"""Locks whose check takes longer, with fewer edits: each part of a mix is judged for each request size."""
TIED = ("micro_batch", "optimizer", "zero", "checkpointing", "checkpointed_layers")
"""Decisions that may have no effect (a rule of thumb knows no micro-batches): the tie-break, which takes a search,
prefers one of two choices with the very same figures. The test asserts that the figures are the same."""
Way = tuple[str | int, ...]


def leaves(node: Any, way: Way = ()) -> Iterator[Way]:
    """Yield the way to each leaf, and to each mapping that is empty."""
    if isinstance(node, dict) and node:
        for key, item in node.items():
            yield from leaves(item, (*way, key))
    elif isinstance(node, list) and node:
        for index, item in enumerate(node):
            yield from leaves(item, (*way, index))
    else:
        yield way


def mappings(node: Any, way: Way = ()) -> Iterator[Way]:
    if isinstance(node, dict):
        yield way
        for key, item in node.items():
            yield from mappings(item, (*way, key))
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from mappings(item, (*way, index))


WORDS = (
    "none",
    "full",
    "bf16",
    "fp8_e4m3",
    "l40s",
    "h100_sxm",
    "spot",
    "feasible",
    "optimal",
    "maximize",
    "tpot",
    "USD",
)


def changed(value: Any, draw: random.Random) -> Any:
    """Return another value of a kind that a person may type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return draw.choice([value + 1, value - 1, value * 2 + 1, value + 1024, 0 if value else 7])
    if isinstance(value, float):
        others = [round(value + 0.01, 9), value * 2, value / 2, value + 1]
        return draw.choice([other for other in others if other != value])
    if isinstance(value, str):
        digits = [place for place, letter in enumerate(value) if letter.isdigit()]
        if digits and draw.random() < 0.5:
            place = draw.choice(digits)
            return f"{value[:place]}{(int(value[place]) + 1) % 10}{value[place + 1 :]}"
        return draw.choice([word for word in (*WORDS, f"{value}x") if word != value])
    return draw.choice([1, "none"])


def edits(lock: dict[str, Any], draw: random.Random, most: int | None = None) -> Iterator[tuple[Way, str, Any]]:
    """Yield a lock edited in one place each, `most` of all such edits: what is changed, how, and the lock."""
    ways = [
        (way, kind) for way in leaves(lock) for kind in ("changed", "removed", "changed")[: 2 + (draw.random() < 0.4)]
    ]
    ways += [(way, "added") for way in mappings(lock)]
    ways += [(("workloads", *pair), "swapped") for pair in itertools.pairwise(sorted(lock["workloads"]))]
    for way, kind in ways if most is None else draw.sample(ways, min(most, len(ways))):
        other = copy.deepcopy(lock)
        node = other
        for key in way if kind == "added" else way[:1] if kind == "swapped" else way[:-1]:
            node = node[key]  # type: ignore[index]
        match kind:
            case "added":
                node["added"] = draw.choice([1, "none", 0.5])
            case "removed":
                del node[way[-1]]  # type: ignore[arg-type]
            case "changed":
                node[way[-1]] = changed(node[way[-1]], draw)  # type: ignore[index]
            case "swapped":
                one, two = way[1:]
                if node[one] == node[two]:  # type: ignore[index]
                    continue
                node[one], node[two] = node[two], node[one]  # type: ignore[index]
        yield way, kind, other


@cache
def loading(plan: str) -> Loaded:
    return load_plan(str(ROOT / "examples" / plan))


def findings(loaded: Loaded, lock: dict[str, Any]) -> list[Diagnostic]:
    found, broken = reading.parse(sealed(lock), "w.mem.lock", "again")
    if broken is not None:
        return [broken]
    assert found is not None and loaded.problem is not None
    return verify(loaded.problem, loaded.catalog, loaded.texts, found)[0]


@pytest.mark.parametrize("name", PLANS)
def test_every_edit_is_found(name: str) -> None:
    loaded = loading(name)
    assert loaded.problem is not None
    answer = solve(loaded.problem, loaded.catalog, top=0)
    lock = document(answer, loaded.problem, loaded.catalog, loaded.texts)
    assert missed(loaded, lock, random.Random(name), SLOW.get(name, MOST)) == []


def missed(loaded: Loaded, lock: dict[str, Any], draw: random.Random, most: int | None = None) -> list[tuple[Way, str]]:
    """Return the edits of a lock that are not found, of so many of them."""
    assert findings(loaded, lock) == []
    return [
        (way, kind)
        for way, kind, other in edits(lock, draw, most)
        if not findings(loaded, other)
        and way not in UNSEEN
        and not tied(loaded, lock, other, way)
        and not counted(loaded, other, way)
    ]


def counted(loaded: Loaded, lock: dict[str, Any], way: Way) -> bool:
    """Return whether `check --proof` finds an edit of what proves an answer: it follows from all candidates."""
    found, _ = reading.parse(sealed(lock), "w.mem.lock", "again")
    if way[0] != "proof" or found is None or loaded.problem is None:
        return False
    return any(item.code == "E0811" for item in prove(loaded.problem, loaded.catalog, found, "again"))


def test_there_are_as_many_edits_as_are_promised() -> None:
    count = 0
    for name in PLANS:
        found, _ = reading.read(ROOT / f"examples/{name}.lock", name)
        assert found is not None
        count += min(MOST, 2 * len(list(leaves(found.document))) + len(list(mappings(found.document))))
    assert count >= 2000


def test_an_edit_of_an_older_lock_is_found(tmp_path: Path) -> None:
    """What another release computed may differ; what a lock says must still agree with itself and with its rows."""
    loaded = loading("chat.mem")
    assert loaded.problem is not None
    answer = solve(loaded.problem, loaded.catalog, top=0)
    whole = document(answer, loaded.problem, loaded.catalog, loaded.texts) | {"planner": "0.0.9"}
    assert findings(loaded, whole) == []
    made = [(way, other) for way, kind, other in edits(whole, random.Random(9)) if kind == "changed"]
    unseen = [way for way, other in made if not findings(loaded, other)]
    assert [
        way for way in unseen if way != ("planner",) and way[::2] != ("catalogs", "rows") and way[0] != "proof"
    ] == []


@pytest.mark.parametrize("seed", range(4))
def test_what_is_solved_is_not_refused(seed: int, tmp_path: Path) -> None:
    """Random plans, solved, written and read again: `check` finds nothing; of some of them, every edit that is made."""
    draw = random.Random(f"locks {seed}")
    path = tmp_path / "w.mem"
    solved = 0
    for number in range(8):
        text = plan(draw)
        path.write_text(text)
        loaded = load_plan(str(path))
        assert loaded.problem is not None, (text, loaded.findings)
        answer = solve(loaded.problem, loaded.catalog, top=0)
        if not answer.workloads:
            continue
        solved += 1
        lock = document(answer, loaded.problem, loaded.catalog, loaded.texts)
        assert [item.message for item in findings(loaded, lock)] == [], text
        if number % 4 == 0:
            assert missed(loaded, lock, draw, 25) == [], text
    assert solved > 1


def tied(loaded: Loaded, lock: dict[str, Any], other: dict[str, Any], way: Way) -> bool:
    """Return whether an edit makes another choice with the very same figures, down to each part of the memory."""
    if way[0] != "workloads" or way[2] != "choice" or way[3] not in TIED:
        return False
    assert loaded.problem is not None
    workload = next(item for item in loaded.problem.workloads if item.name == way[1])
    pair = [
        recompute(loaded.problem, workload, it["workloads"][way[1]]["choice"], loaded.catalog) for it in (lock, other)
    ]
    one, two = (row and (row.parts, row.outcomes, row.cost, row.broken) for row in pair)
    return one is not None and one == two
