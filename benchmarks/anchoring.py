"""What measurements of one's own bring: errors and margins of times anchored on rows that are like them.

`python benchmarks/anchoring.py [FILE]` reads the rows that the repository carries, or a file of such rows. Of each
group with one model, GPU, number of GPUs, engine, release and format some are a user's measurements, and all others are
predicted: three to eight rows taken at random, those of the lowest concurrency, and those of the highest. It prints
errors without and with an anchor, and per engine the margins that measured times stay within, the widest of the three.
"""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy
from fit_serving import CONFIDENCES
from serving_rows import CARRIED, ENGINES, Case, case, rows

from planner.catalog.catalog import Catalog
from planner.catalog.load import load
from planner.physics import anchors, serving_time
from planner.physics.inference.profile import release

WAYS = ("random", "lowest", "highest")
SIZES = (3, 4, 5, 6, 8)
REPEATS = 12


@dataclass(frozen=True, slots=True)
class Ratio:
    """A measured row: its group, concurrency and row in the source, and measured over expected `tpot` and `ttft`."""

    group: tuple[object, ...]
    engine: str
    row: int
    concurrency: int
    tpot: float
    ttft: float


@dataclass(frozen=True, slots=True)
class Predicted:
    """A row predicted by `near` rows of a user's: measured over expected, and over what they make of that."""

    of: Ratio
    near: int
    tpot: float
    ttft: float


def expected(catalog: Catalog, item: Case) -> tuple[float, float]:
    """Return what the catalog's constants say of a case: seconds per output token and to the first one."""
    between = serving_time.between(catalog.engines[item.engine])
    card = item.card._replace(collective=item.card.collective if item.part.ranks > 1 else 0.0)
    step = serving_time.passing(card, between, item.made, item.part, item.concurrency, item.cache, 0.0)
    step += between.step + between.sequence * item.concurrency
    each, scores = item.prompt / item.passes, item.scores / item.passes
    prefill = item.passes * serving_time.passing(card, between, item.made, item.part, each, 0.0, scores)
    tpot = step + (item.concurrency - 1) / item.output * prefill
    return tpot, serving_time.first_token(between, item.concurrency, prefill, tpot)


def ratios(catalog: Catalog, path: Path = CARRIED) -> list[Ratio]:
    """Return the clean rows of a file."""
    out = []
    for row in rows(path):
        item = case(catalog, row)
        tpot, ttft = expected(catalog, item)
        known = catalog.engines[ENGINES[row["backend"]]]
        since = release(known, row.get("backend_version")).since
        group = (item.model, item.gpu, row["tp_size"], item.engine, since, item.precision)
        out.append(Ratio(group, item.engine, item.row, item.concurrency, item.tpot / tpot, item.ttft / ttft))
    return out


def predicted(every: list[Ratio], way: str, seed: int = 0) -> Iterator[Predicted]:
    """Yield the rows of each group that are not among a user's, with what those make of them."""
    draw = random.Random(seed)
    groups: dict[tuple[object, ...], list[Ratio]] = defaultdict(list)
    for item in every:
        groups[item.group].append(item)
    for group in groups.values():
        for _ in range(REPEATS):
            size = draw.choice(SIZES)
            if len(group) <= size:
                continue
            shuffled = draw.sample(group, len(group))
            if way != "random":
                shuffled.sort(key=lambda item: item.concurrency, reverse=way == "highest")
            own, others = shuffled[:size], shuffled[size:]
            for item in others:
                near = [one for one in own if anchors.near(one.concurrency, item.concurrency)]
                tpot, ttft = (
                    (median(one.tpot for one in near), median(one.ttft for one in near)) if near else (1.0, 1.0)
                )
                yield Predicted(item, len(near), item.tpot / tpot, item.ttft / ttft)


def margins(every: list[Ratio], engine: str) -> dict[str, dict[int, int]]:
    """Return, by time and confidence, the millionths that measured times exceed anchored ones by at most."""
    found = {way: [item for item in predicted(every, way) if item.of.engine == engine] for way in WAYS}
    enough = {way: [item for item in some if item.near >= anchors.ENOUGH] for way, some in found.items()}
    return {
        name: {
            at: max(
                round((float(numpy.quantile([getattr(item, name) for item in some], at / 100)) - 1) * 1e6)
                for some in enough.values()
            )
            for at in CONFIDENCES
            if at > 50
        }
        for name in ("tpot", "ttft")
    }


def main(path: Path) -> None:
    """Print the errors and the margins."""
    catalog, _ = load()
    every = ratios(catalog, path)
    print(f"{len(every)} rows; errors are median / nine of ten")
    for way in WAYS:
        found = [item for item in predicted(every, way) if item.near >= anchors.ENOUGH]
        for name in ("tpot", "ttft"):
            before = numpy.abs(1 / numpy.array([getattr(item.of, name) for item in found]) - 1)
            after = numpy.abs(1 / numpy.array([getattr(item, name) for item in found]) - 1)
            said = " / ".join(f"{100 * numpy.quantile(before, at):.1f} %" for at in (0.5, 0.9))
            told = " / ".join(f"{100 * numpy.quantile(after, at):.1f} %" for at in (0.5, 0.9))
            print(f"{way:8} {name}  {len(found):6} predictions  {said}  anchored {told}")
    for engine in ENGINES.values():
        print(engine, "anchored_margins:", margins(every, engine))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else CARRIED)
