"""Mixes of GPU types beside Mélange's own formulation in CBC: the same optimum, and the seconds of each.

`python benchmarks/mixes.py` needs the extra `benchmarks` (PuLP, which brings CBC). The instances are the one that
Mélange's repository publishes (tyler-griggs/melange-release, melange/config/example.json: two GPUs, four request sizes)
and, because its profiles are published as figures alone, the same task with this program's own: the request sizes of a
trace like Azure's, the cheapest offers of the catalog, and what each GPU type sustains of each size by the time model.
`--write` puts the table into docs/performance.md.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from planner.plan import load_plan
from planner.solve.mix.model import MixOption, MixTask, solve
from planner.solve.mix.options import enumerated

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/performance.md"
MARKS = "<!-- mixes -->\n", "<!-- /mixes -->\n"
WHOLE = 10**9
SLICES = 8
"""Slices of each request size; Mélange's paper finds its answers insensitive to more."""
PAPER = ("l4", "a10g", "a100_sxm_80gb", "h100_sxm")
"""The GPUs of Mélange's paper, here each in the split that serves most sizes."""
LIMIT = 100
"""Seconds after which CBC is stopped."""
PLAN = """edition 2026
inference chat {{
  model   = "meta-llama/Llama-3.1-8B-Instruct"
  context = 16Ki tokens
  traffic = csv("{path}")
  mix     = true
  concurrency = 32
  weights in {{bf16, fp8}}
  tpot    <= 120 ms
}}
"""


@dataclass(frozen=True)
class Instance:
    """What is rented at which price (micro-dollars per hour), the requests a second of each size, and those that one of
    each type sustains of it; 0 where it cannot."""

    name: str
    prices: tuple[int, ...]
    rates: tuple[Fraction, ...]
    sustained: tuple[tuple[Fraction, ...], ...]

    def task(self) -> MixTask:
        """Return the instance as this program has it."""
        options = [
            MixOption(
                name=f"type {place}",
                pool=place,
                stock=place,
                price=price,
                replicas=1,
                gpus=1,
                units=1,
                share=0,
                each=1,
                weights=tuple(
                    math.ceil(rate / of / SLICES * WHOLE) if of else None
                    for rate, of in zip(self.rates, own, strict=True)
                ),
            )
            for place, (price, own) in enumerate(zip(self.prices, self.sustained, strict=True))
        ]
        return MixTask(tuple(options), len(self.rates), SLICES, WHOLE, {})


def published() -> Instance:
    """Return the instance of Mélange's repository, at its prices."""
    shares, total = (Fraction(2, 10), Fraction(1, 10), Fraction(5, 10), Fraction(2, 10)), 30
    sustained = ((2, 1, 5, 2), (20, 20, 40, 20))
    return Instance(
        "Mélange's example",
        (1_010_000, 3_670_000),
        tuple(share * total for share in shares),
        tuple(tuple(map(Fraction, own)) for own in sustained),
    )


def trace(path: Path, requests: int = 4000) -> None:
    """Write sizes drawn from log-normal distributions with the medians of Azure's trace of conversations."""
    chance = random.Random(0)
    rows = [
        (
            min(14_000, max(1, round(chance.lognormvariate(math.log(1020), 1.0)))),
            min(1_500, max(1, round(chance.lognormvariate(math.log(129), 1.0)))),
        )
        for _ in range(requests)
    ]
    text = "".join(f"{prompt},{output},0.004\n" for prompt, output in rows)
    path.write_text(f"prompt,output,rate\n{text}", encoding="utf-8")


def _served(item: MixOption) -> int:
    return sum(weight is not None for weight in item.weights)


def instances(folder: Path) -> Iterator[Instance]:
    """Yield an instance of each number of types: those of the paper, then others drawn from GPU types and splits."""
    yield published()
    path = folder / "trace.csv"
    trace(path)
    loaded = load_plan(str(folder / "a.mem"), text=PLAN.format(path=path.name))
    assert loaded.problem is not None, loaded.findings
    service = loaded.problem.workloads[0]
    every = enumerated(loaded.problem, service, loaded.catalog).task
    cheapest: dict[tuple[str, int], MixOption] = {}
    for item in sorted(every.options, key=lambda item: Fraction(item.price, item.replicas)):
        gpu = item.name.partition("gpu=")[2].partition(";")[0]
        cheapest.setdefault((gpu, item.each), item)
    paper = [min((key for key in cheapest if key[0] == gpu), key=lambda key: -_served(cheapest[key])) for gpu in PAPER]
    others = sorted(cheapest.keys() - set(paper))
    random.Random(1).shuffle(others)
    types = [cheapest[key] for key in (*paper, *others)]
    rates = tuple(bucket.rate for bucket in service.traffic)
    for count in (4, 10, 20, 60):
        chosen = types[:count]
        yield Instance(
            f"{len(chosen)} types, {len(rates)} request sizes",
            tuple(round(Fraction(item.price, item.replicas)) for item in chosen),
            rates,
            tuple(
                tuple(
                    Fraction(rate * WHOLE, SLICES * weight) if weight else Fraction(0)
                    for rate, weight in zip(rates, item.weights, strict=True)
                )
                for item in chosen
            ),
        )


def cbc(of: Instance) -> tuple[float, int | None, bool]:
    """Return the seconds that CBC takes for Mélange's formulation, the cost that it finds, and whether that is proven.

    A slice of a size goes to one type (a binary variable for each of both), the load of a type is at most its number,
    which is whole, and the numbers' cost is minimised (arXiv 2404.14527, section 5.4).
    """
    import pulp

    problem = pulp.LpProblem("mix", pulp.LpMinimize)
    slices = [size for size in range(len(of.rates)) for _ in range(SLICES)]
    goes = {
        (at, place): pulp.LpVariable(f"x_{at}_{place}", cat="Binary")
        for at, size in enumerate(slices)
        for place in range(len(of.prices))
        if of.sustained[place][size]
    }
    many = [pulp.LpVariable(f"y_{place}", lowBound=0, cat="Integer") for place in range(len(of.prices))]
    problem += pulp.lpSum(price / 1e6 * count for price, count in zip(of.prices, many, strict=True))
    for at in range(len(slices)):
        problem += pulp.lpSum(goes[at, place] for place in range(len(of.prices)) if (at, place) in goes) == 1
    for place in range(len(of.prices)):
        loads = [
            float(of.rates[size] / SLICES / of.sustained[place][size]) * goes[at, place]
            for at, size in enumerate(slices)
            if (at, place) in goes
        ]
        problem += pulp.lpSum(loads) <= many[place]
    start = time.perf_counter()
    problem.solve(pulp.PULP_CBC_CMD(msg=False, timeLimit=LIMIT))
    seconds = time.perf_counter() - start
    values = [count.value() for count in many]
    if any(value is None for value in values):
        return seconds, None, False
    cost = sum(price * round(value or 0) for price, value in zip(of.prices, values, strict=True))
    return seconds, cost, problem.sol_status == pulp.LpSolutionOptimal and seconds < LIMIT


def ours(of: Instance, any_of_equal: bool, again: int = 3) -> tuple[float, int]:
    """Return the fewest seconds of a few runs of this program's model, and the cost that it proves."""
    task, best = of.task(), math.inf
    for _ in range(again):
        start = time.perf_counter()
        mix = solve(task, lambda: 120.0, any_of_equal=any_of_equal)
        best = min(best, time.perf_counter() - start)
    assert mix.proven, mix
    return best, mix.cost


def rows(folder: Path, most: int) -> list[str]:
    """Return the table, as Markdown."""
    out = [
        "| instance | here | CBC | times | here, one answer | cost here, proven | cost of CBC |",
        "|---|---|---|---|---|---|---|",
    ]
    for of in list(instances(folder))[:most]:
        seconds, cost = ours(of, True)
        whole, same = ours(of, False)
        assert same == cost
        other, theirs, proven = cbc(of)
        said = "none found" if theirs is None else f"${theirs / 1e6:,.2f}/h, {'proven' if proven else 'not proven'}"
        more = "" if proven else "over "
        out.append(
            f"| {of.name} | {seconds:.3f} s | {more}{other:.2f} s | {more}{other / seconds:.0f} | {whole:.2f} s "
            f"| ${cost / 1e6:,.2f}/h | {said} |"
        )
        print(out[-1], flush=True)
        assert theirs is None or cost <= theirs, "this program's optimum is above what CBC found"
        assert not proven or abs(cost - (theirs or 0)) <= 1, "two proven optima differ"
    return out


def main() -> None:
    """Print or write the table."""
    import tempfile

    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    reader.add_argument("--first", type=int, default=5, help="only so many instances")
    said = reader.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = rows(Path(folder), said.first)
    if said.write:
        before, rest = PAGE.read_text(encoding="utf-8").split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        PAGE.write_text(f"{before}{MARKS[0]}{chr(10).join(table)}\n{MARKS[1]}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
