"""Traffic by request size, read from a file that a plan names: `traffic = csv("trace.csv")`.

A row of the file is a request size with its rate (`prompt, output, rate`), or one request with its arrival: the columns
of the public Azure LLM inference traces (`TIMESTAMP, ContextTokens, GeneratedTokens`) and of BurstGPT (`Timestamp,
Request tokens, Response tokens`) are read as they are. Requests of similar size are one bucket, which stands for the
longest prompt and the longest output in it: what holds for that holds for all of them.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from math import ceil
from pathlib import Path

from planner.language.block import Block
from planner.language.problem import Bucket
from planner.language.scope import nearest
from planner.syntax import tree
from planner.syntax.files import read as read_text

READER = "csv"
USAGE = 'traffic = csv("trace.csv")'
PROMPT_EDGE, PROMPT_STEP = 128, 2
"""Prompts of at most 128 tokens are alike, then those up to each doubling: 256, 512, 1024, …"""
OUTPUT_EDGE, OUTPUT_STEP = 64, 4
"""Outputs of at most 64 tokens are alike, then those up to each quadrupling: 256, 1024, 4096, …"""
MOST_TOKENS = 2**32
MOST_RATE = 1_000_000
"""The most requests a second, of all sizes together: what `demand` may be."""
STEP = 10**6
"""Rates are whole millionths of a request a second, rounded up."""
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt", "contexttokens", "request tokens"),
    "output": ("output", "generatedtokens", "response tokens"),
    "rate": ("rate",),
    "time": ("timestamp",),
}
"""What the columns are called: in a file of one's own, in the Azure traces, in BurstGPT."""

_TOKENS = re.compile(r"\d{1,12}(\.0*)?\Z", re.ASCII)
_NUMBER = re.compile(r"\d{1,12}(\.\d{0,18})?([eE][+-]?\d{1,2})?\Z", re.ASCII)
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d{1,12})?(Z|[+-]\d\d:?\d\d)?\Z", re.ASCII)


class Unreadable(ValueError):
    """A file that states no traffic: the message says why, `way` what to do."""

    def __init__(self, reason: str, way: str) -> None:
        """Take the reason and the way out."""
        super().__init__(reason)
        self.way = way


def read_traffic(block: Block, node: tree.Expression) -> None:
    """Add the traffic of the file that a block names to it; a finding where it has none."""
    scope = block.env.scope
    call = node if isinstance(node, tree.Call) else None
    names = () if call is None else call.arguments
    if call is None or call.function != READER or len(names) != 1 or not isinstance(names[0], tree.String):
        scope.error("E0402", "`traffic` takes a file: `csv` and one path in quotes", node.span, help=USAGE)
        return
    name = names[0]
    text, finding = read_text(Path(name.span.path).parent / name.text)
    if text is None:
        reason = finding.message if finding is not None else "it cannot be read"
        way = "cut the trace to an hour or so of it" if finding is not None and finding.code == "E0003" else None
        way = way or "paths are relative to this file"
        scope.error("E0208", f'"{name.text}" cannot be read: {reason}', name.span, help=way)
        return
    try:
        block.traffic = buckets(text)
    except Unreadable as problem:
        scope.error("E0208", f'"{name.text}" states no traffic: {problem}', name.span, help=problem.way)
        return
    block.given["traffic"] = name.text


def buckets(text: str) -> tuple[Bucket, ...]:
    """Return the traffic of a file, the shortest prompts first; raise Unreadable where it has none."""
    try:
        rows = [
            (number, row) for number, row in enumerate(csv.reader(text.splitlines()), 1) if any(map(str.strip, row))
        ]
    except csv.Error as problem:
        raise Unreadable(f"it is no CSV file ({problem})", "separate columns by commas") from None
    if not rows:
        raise Unreadable("it is empty", "its first line names columns: prompt, output, rate")
    place = _columns(rows[0][1])
    if len(rows) == 1:
        raise Unreadable("it has no rows under its header", "each row is a request size and its rate, or a request")
    width, by_rate = max(place.values()), "rate" in place
    line = _Lines(rows, place)
    sizes: dict[tuple[int, int], _Alike] = {}
    times: set[str] = set()
    for number, row in rows[1:]:
        if len(row) <= width:
            raise Unreadable(f"line {number} has {len(row)} columns", f"the header has {len(rows[0][1])}")
        prompt, output = line.tokens(row[place["prompt"]], "prompt"), line.tokens(row[place["output"]], "output")
        rate = row[place["rate"]] if by_rate else "1"
        if not by_rate:
            times.add(row[place["time"]].strip())
        if line.number(rate, "rate"):
            key = line.edges(prompt, output)
            alike = sizes.get(key)
            if alike is None:
                alike = sizes[key] = _Alike()
            alike.add(prompt, output, rate)
    span = Fraction(1) if by_rate else line.span(times)
    if not span:
        raise Unreadable("its arrivals span no time", "give requests over some time, or a column `rate` instead")
    out = tuple(
        Bucket(
            alike.prompt,
            alike.output,
            alike.context,
            Fraction(
                ceil(sum(line.number(rate, "rate") * many for rate, many in alike.rates.items()) / span * STEP), STEP
            ),
        )
        for _, alike in sorted(sizes.items(), key=lambda item: item[0])
    )
    total = sum((item.rate for item in out), Fraction(0))
    if not total:
        raise Unreadable("every rate is 0", "give the requests a second of each size")
    if total > MOST_RATE:
        way = f"`rate` is requests a second of each size, {MOST_RATE:_} of all together at most"
        raise Unreadable(f"it comes to {float(total):.4g} requests a second", way)
    return out


class _Alike:
    """Requests of similar size while they are read: the longest of each, and how often each rate is written."""

    def __init__(self) -> None:
        """Begin without any."""
        self.prompt = self.output = self.context = 0
        self.rates: Counter[str] = Counter()

    def add(self, prompt: int, output: int, rate: str) -> None:
        """Add requests of one size at a rate."""
        self.prompt, self.output = max(self.prompt, prompt), max(self.output, output)
        self.context = max(self.context, prompt + output)
        self.rates[rate] += 1


def edge(tokens: int, first: int, step: int) -> int:
    """Return the longest that is alike with so many tokens."""
    while first < tokens:
        first *= step
    return first


def _columns(header: Sequence[str]) -> dict[str, int]:
    """Return where the columns are; raise Unreadable for one that is missing or there twice."""
    found = [" ".join(name.replace("\ufeff", "").split()).lower() for name in header]
    out: dict[str, int] = {}
    for column, names in COLUMNS.items():
        places = [at for at, name in enumerate(found) if name in names]
        if len(places) > 1:
            raise Unreadable(f"the column `{header[places[0]].strip()}` is there twice", "leave one of them")
        if places:
            out[column] = places[0]
    if "rate" in out:
        out.pop("time", None)
    missing = [column for column in ("prompt", "output") if column not in out]
    missing += [] if {"rate", "time"} & out.keys() else ["rate"]
    if missing:
        shown = ", ".join(f"`{name.strip()[:40]}`" for name in header[:8])
        meant = nearest(missing[0], found)
        way = f"is `{meant}` the `{missing[0]}`? " if meant else ""
        way += "columns are prompt, output and rate; or those of an Azure or BurstGPT trace"
        raise Unreadable(f"it has no column `{missing[0]}`; its columns are {shown}", way)
    return out


class _Lines:
    """What is written in a file's columns, as numbers; what is none is refused with its line."""

    def __init__(self, rows: Sequence[tuple[int, Sequence[str]]], place: Mapping[str, int]) -> None:
        """Take the lines, the header first, and where the columns are."""
        self.rows, self.place = rows, place
        self.known: dict[str, int] = {}
        self.numbers: dict[str, Fraction] = {}
        self.buckets: dict[tuple[int, int], tuple[int, int]] = {}

    def edges(self, prompt: int, output: int) -> tuple[int, int]:
        """Return the bucket of a size."""
        key = self.buckets.get((prompt, output))
        if key is None:
            key = edge(prompt, PROMPT_EDGE, PROMPT_STEP), edge(output, OUTPUT_EDGE, OUTPUT_STEP)
            self.buckets[prompt, output] = key
        return key

    def _refused(self, written: str, column: str, reason: str, way: str) -> Unreadable:
        at = self.place.get(column, 0)
        number = next((number for number, row in self.rows[1:] if row[at] == written or row[at].strip() == written), 0)
        return Unreadable(f"line {number}: {reason}", way)

    def tokens(self, written: str, column: str) -> int:
        """Return a whole number of tokens, of nothing one."""
        count = self.known.get(written)
        if count is not None:
            return count
        if not _TOKENS.match(written.strip()):
            way = "it is a whole number of tokens"
            raise self._refused(written, column, f'`{column}` is "{written.strip()[:40]}"', way)
        count = max(1, int(written.partition(".")[0]))
        if count > MOST_TOKENS:
            raise self._refused(written, column, f"`{column}` is {count:_} tokens", f"at most {MOST_TOKENS:_} tokens")
        self.known[written] = count
        return count

    def number(self, written: str, column: str) -> Fraction:
        """Return a number, 0 or more."""
        known = self.numbers.get(written)
        if known is not None:
            return known
        if not _NUMBER.match(written.strip()):
            way = "it is a number, 0 or more, without a unit"
            raise self._refused(written, column, f'`{column}` is "{written.strip()[:40]}"', way)
        self.numbers[written] = Fraction(written.strip())
        return self.numbers[written]

    def span(self, times: Iterable[str]) -> Fraction:
        """Return the seconds from the first arrival to the last."""
        moments = [self.moment(written) for written in times]
        return max(moments) - min(moments)

    def moment(self, written: str) -> Fraction:
        """Return an arrival in seconds: a number of them, or a date and time, to the fraction that is written."""
        match = _MOMENT.match(written)
        if match is None:
            return self.number(written, "time")
        try:
            whole = datetime.fromisoformat(f"{match[1]}T{match[2]}{match[4] or '+00:00'}")
        except ValueError:
            reason = f'"{written[:40]}" is no date and time'
            raise self._refused(written, "time", reason, "2026-06-01 12:30:00.5") from None
        return Fraction(int(whole.timestamp())) + Fraction(f"0{match[3] or '.0'}")
