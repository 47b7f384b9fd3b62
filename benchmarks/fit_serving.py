"""Fit the times between kernels that catalogs/engines.yaml carries to measured serving, and say how good they are.

`python benchmarks/fit_serving.py [FILE]` reads the rows that the repository carries, or a file of such rows; it prints
each engine's constants, errors with each model, GPU and engine left out of the fit in turn, and the margins that
measured times stay within (with the model left out). Rows whose `csv_row` is a multiple of three are kept out of every
fit, and are an own line of the table.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
from serving_rows import CARRIED, Case, cases

from planner.physics import serving_time
from planner.physics.serving_time import Between, Calls, Kernel, KernelSpeeds, Part

Column = Any
DECODE, FIRST = (10.0, 5.0), (30.0, 1.0, 2.0, 0.05)
"""Where the searches start: us a layer and a sequence; ms a request, and factor, steps and waiting of a first token."""
CONFIDENCES = (50, 80, 90, 95, 99)


class Table:
    """Cases as columns."""

    def __init__(self, every: list[Case]) -> None:
        """Take the cases."""
        self.every = every
        self.made = Calls(*(self.column(lambda it, at=at: it.made[at]) for at in range(4)))  # type: ignore[misc]
        kernels = [
            Kernel(*(self.column(lambda it, at=at, field=field: it.card[at][field]) for field in range(3)))  # type: ignore[misc]
            for at in range(4)
        ]
        self.card = KernelSpeeds(
            kernels[0],
            kernels[1],
            kernels[2],
            kernels[3],
            self.column(lambda it: it.card.collective if it.part.ranks > 1 else 0.0),
            self.column(lambda it: it.card.link),
        )
        self.part = Part(*(self.column(lambda it, at=at: it.part[at]) for at in range(8)))  # type: ignore[misc]
        names = ("concurrency", "output", "passes", "prompt", "cache", "scores", "tpot", "ttft")
        self.of = {name: self.column(lambda it, name=name: getattr(it, name)) for name in names}  # type: ignore[misc]
        self.kept = self.column(lambda it: it.row) % 3 == 0
        self.names = {name: numpy.array([getattr(it, name) for it in every]) for name in ("engine", "model", "gpu")}
        self.layers: Column = self.made.layers
        none = Between(0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0)
        of = self.of
        self.step = serving_time.passing(self.card, none, self.made, self.part, of["concurrency"], of["cache"], 0.0)
        self.prefill = of["passes"] * serving_time.passing(
            self.card, none, self.made, self.part, of["prompt"] / of["passes"], 0.0, of["scores"] / of["passes"]
        )

    def column(self, what: Callable[[Case], float]) -> Column:
        """Return a number of every case."""
        return numpy.array([what(item) for item in self.every], dtype=float)

    def tpot(self, found: Column, where: Column) -> Column:
        """Return seconds per output token with these constants."""
        of, layers = self.of, self.layers[where]
        layer, sequence = found[0] / 1e6, found[1] / 1e6
        prefill = self.prefill[where] + of["passes"][where] * layers * layer
        step = self.step[where] + layers * layer + sequence * of["concurrency"][where]
        return step + (of["concurrency"][where] - 1) / of["output"][where] * prefill

    def ttft(self, decode: Column, found: Column, where: Column) -> Column:
        """Return seconds to the first token with these constants."""
        request = found[0] / 1e3
        factor, steps, waiting = found[1:]
        between = Between(0.0, 0.0, 0.0, request, factor, steps, waiting)
        of, layers = self.of, self.layers[where]
        prefill = self.prefill[where] + of["passes"][where] * layers * decode[0] / 1e6
        tpot = self.tpot(decode, where)
        return serving_time.first_token(between, of["concurrency"][where], prefill, tpot)


def descend(loss: Callable[[Column], float], start: tuple[float, ...]) -> Column:
    """Return what has the least loss: coordinates scaled up and down in ever smaller steps."""
    best, lowest = numpy.array(start), loss(numpy.array(start))
    for step in (2.0, 1.5, 1.2, 1.07, 1.02):
        moved = True
        while moved:
            moved = False
            for at in range(len(best)):
                for scale in (step, 1 / step):
                    tried = best.copy()
                    tried[at] *= scale
                    if (value := loss(tried)) < lowest - 1e-7:
                        best, lowest, moved = tried, value, True
    return best


def error(expected: Column, measured: Column) -> float:
    """Return the mean logarithmic error."""
    return float(numpy.mean(numpy.abs(numpy.log(expected / measured))))


def fitted(table: Table, where: Column) -> tuple[Column, Column]:
    """Return the constants of decoding and of the first token fitted to some cases."""
    decode = descend(lambda tried: error(table.tpot(tried, where), table.of["tpot"][where]), DECODE)
    first = descend(lambda tried: error(table.ttft(decode, tried, where), table.of["ttft"][where]), FIRST)
    return decode, first


def constants(table: Table) -> dict[str, tuple[Column, Column]]:
    """Return each engine's constants, of the rows that are for fitting."""
    engines = table.names["engine"]
    return {name: fitted(table, (engines == name) & ~table.kept) for name in sorted(set(engines))}


def predicted(table: Table, known: dict[str, tuple[Column, Column]]) -> tuple[Column, Column]:
    """Return expected times of every case."""
    tpot, ttft = numpy.zeros(len(table.every)), numpy.zeros(len(table.every))
    for name, (decode, first) in known.items():
        where = table.names["engine"] == name
        tpot[where], ttft[where] = table.tpot(decode, where), table.ttft(decode, first, where)
    return tpot, ttft


def left_out(table: Table, by: str, known: dict[str, tuple[Column, Column]]) -> tuple[Column, Column]:
    """Return expected times of every case by a fit that its model, GPU or engine is left out of.

    With the engine left out, the constants of all others are fitted together.
    """
    tpot, ttft = numpy.zeros(len(table.every)), numpy.zeros(len(table.every))
    engines, names = table.names["engine"], table.names[by]
    for engine in sorted(set(engines)):
        for name in sorted(set(names[engines == engine])):
            here = (engines == engine) & (names == name)
            others = ~table.kept & ((engines != engine) if by == "engine" else (engines == engine) & (names != name))
            decode, first = fitted(table, others) if others.sum() >= 20 else known[engine]
            tpot[here], ttft[here] = table.tpot(decode, here), table.ttft(decode, first, here)
    return tpot, ttft


def margins(expected: Column, measured: Column) -> dict[int, int]:
    """Return by confidence in per cent the millionths by which so many of the measured times exceed the expected."""
    over = measured / expected
    return {at: max(0, int(numpy.ceil((numpy.quantile(over, at / 100) - 1) * 1e6))) for at in CONFIDENCES}


def say(name: str, expected: Column, measured: Column) -> str:
    """Return a line of the table: median and p90 of the absolute error in per cent."""
    off = numpy.abs(expected / measured - 1) * 100
    return f"{numpy.median(off):.0f} / {numpy.quantile(off, 0.9):.0f}"


def report(table: Table) -> tuple[list[str], dict[str, tuple[Column, Column]], dict[str, dict[str, dict[int, int]]]]:
    """Return the table of errors as Markdown, the constants, and the margins by engine."""
    known, of, kept = constants(table), table.of, table.kept
    tpot, ttft = predicted(table, known)
    lines = ["| | rows | TPOT, median / p90 | TTFT, median / p90 |", "|---|---:|---:|---:|"]

    def line(name: str, one: Column, two: Column, where: Column) -> None:
        first, second = say(name, one[where], of["tpot"][where]), say(name, two[where], of["ttft"][where])
        lines.append(f"| {name} | {int(where.sum())} | {first} % | {second} % |")

    line("rows that were fitted", tpot, ttft, ~kept)
    line("rows kept out of the fit", tpot, ttft, kept)
    outs = {by: left_out(table, by, known) for by in ("model", "gpu", "engine")}
    for by, (one, two) in outs.items():
        line(f"the whole {by.replace('gpu', 'GPU')} left out", one, two, numpy.ones(len(kept), dtype=bool))
    one, two = outs["model"]
    edges = {}
    for engine in sorted(known):
        where = table.names["engine"] == engine
        edges[engine] = {
            "tpot": margins(one[where], of["tpot"][where]),
            "ttft": margins(two[where], of["ttft"][where]),
        }
        line(f"{engine}, the whole model left out", one, two, where)
    return lines, known, edges


def main() -> None:
    """Print the constants and the table."""
    table = Table(cases(Path(sys.argv[1]) if len(sys.argv) > 1 else CARRIED))
    lines, known, edges = report(table)
    for engine, (decode, first) in known.items():
        print(f"{engine}:")
        print(f"  layer_us: {decode[0]:.3g}\n  sequence_us: {decode[1]:.3g}\n  request_us: {first[0] * 1e3:.0f}")
        print(f"  prompt_factor: {first[1]:.3g}\n  prompt_steps: {first[2]:.3g}\n  prompt_waiting: {first[3]:.3g}")
        told = {name: {at: ppm for at, ppm in table.items() if at >= 80} for name, table in edges[engine].items()}
        print(f"  time_margins: {told}".replace("'", ""))
    print("\n".join(["", *lines]))


if __name__ == "__main__":
    main()
