"""A start-up log as data: what an engine says of itself, and figures of each rank as precise as they are printed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from fractions import Fraction

from planner.record import dataclass

SIZES = {"bytes": 1, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "KB": 2**10, "MB": 2**20, "GB": 2**30}
"""Bytes of a unit as the engines write it: vLLM and SGLang divide by powers of 1024 where they print GB."""

NUMBER = r"(-?\d[\d,]{0,30}(?:\.\d{1,30})?)"
"""A number in a pattern, with commas between its thousands."""

LONGEST = 30_000
"""So much of a line is read; vLLM's line of its configuration has some 8,000 characters."""
_TELLING = re.compile(
    r"[GM]i?B\b|memory|tokens|blocks:|[Ll]oad|LLM engine|version|[Bb]uild|args|model|n_ctx|n_s|K \(|Device \d|MiB"
)
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\r(?=\n)")
_VERSION = re.compile(r"\d+(?:\.\d+)*")


@dataclass(frozen=True, slots=True)
class Figure:
    """A size in bytes, or a count, as it was printed: what was meant lies within `half` of it on either side."""

    value: Fraction
    half: Fraction = Fraction(0)

    def __add__(self, other: Figure) -> Figure:
        return Figure(self.value + other.value, self.half + other.half)

    def __sub__(self, other: Figure) -> Figure:
        return Figure(self.value - other.value, self.half + other.half)

    @property
    def least(self) -> Fraction:
        """The smallest that it can be."""
        return self.value - self.half

    @property
    def most(self) -> Fraction:
        """The largest that it can be."""
        return self.value + self.half


def figure(written: str, unit: str = "") -> Figure:
    """Return a printed number of a unit as a figure; without one it is a count."""
    text = written.replace(",", "")
    scale = SIZES.get(unit if unit == "bytes" else unit.upper(), 1)
    digits = len(text.partition(".")[2])
    half = Fraction(scale, 2 * 10**digits) if digits or scale > 1 else Fraction(0)
    return Figure(Fraction(text) * scale, half)


PARTS = (
    "weights",
    "activations",
    "non_torch",
    "graphs",
    "graph_estimate",
    "kv_cache",
    "total",
    "card",
    "before",
    "free",
)
"""What a rank may report, in bytes: `activations` with the logits, at the peak of a profiling run; `kv_cache` what the
engine gives its cache; `total` all that is taken of the GPU, whoever takes it; `card` what the engine sees of the GPU;
`before` what is free before weights are loaded, and `free` once the engine has started."""


@dataclass(frozen=True, slots=True)
class Reported:
    """What one start says. `ranks` are figures by rank and part, `tokens` what the cache of each rank or engine holds.

    `model` and `gpus` are names as they are written, `settings` counts and shares by the language's names, `formats`
    words for weights and cache as the engine has them. `sequences` is the engine's own count of sequences of
    `of_tokens` that its cache holds, `running` how many it runs at once. `failure` is why it did not start, in its
    words; `notes` are what else is to be said of the log.
    """

    engine: str
    version: str = ""
    model: str = ""
    gpus: tuple[str, ...] = ()
    settings: Mapping[str, Fraction] = field(default_factory=dict)
    formats: Mapping[str, str] = field(default_factory=dict)
    ranks: Mapping[str, Mapping[str, Figure]] = field(default_factory=dict)
    tokens: tuple[Figure, ...] = ()
    blocks: tuple[Figure, ...] = ()
    sequences: Figure | None = None
    of_tokens: int | None = None
    running: int | None = None
    failure: str = ""
    notes: tuple[str, ...] = ()

    @property
    def figures(self) -> int:
        """How many figures were found."""
        return sum(len(parts) for parts in self.ranks.values()) + len(self.tokens) + len(self.blocks)

    def largest(self, part: str) -> Figure | None:
        """Return the largest of a part that a rank reports, None where none does."""
        return max(self._of(part), key=lambda one: one.value, default=None)

    def smallest(self, part: str) -> Figure | None:
        """Return the smallest of a part that a rank reports, None where none does."""
        return min(self._of(part), key=lambda one: one.value, default=None)

    def _of(self, part: str) -> Iterator[Figure]:
        return (parts[part] for parts in self.ranks.values() if part in parts)


def cleaned(text: str) -> str:
    """Return the lines of a log that may say something of its start, without the colours of a terminal."""
    lines = _COLOURS.sub("", text).splitlines()
    return "\n".join(line[:LONGEST] for line in lines if _TELLING.search(line, 0, LONGEST) is not None)


def last(pattern: str, text: str) -> str:
    """Return the first group of the last place that a pattern is found at, empty where there is none."""
    out = ""
    for match in re.finditer(pattern, text):
        out = next((group for group in match.groups() if group is not None), "")
    return out


def line_of(text: str, place: int) -> str:
    """Return the beginning of the line of a place, up to that place."""
    return text[text.rfind("\n", 0, place) + 1 : place]


def counts(pairs: Iterable[tuple[str, str]], text: str) -> dict[str, Fraction]:
    """Return the numbers that patterns find, by name; the first pattern of a name that finds any counts."""
    out: dict[str, Fraction] = {}
    for name, pattern in pairs:
        written = "" if name in out else last(pattern, text)
        if re.fullmatch(r"\d{1,15}(?:\.\d{1,15})?", written):
            out[name] = Fraction(written)
    return out


def plain_version(text: str) -> str:
    """Return a release without what a build adds to it: `0.26.1` of `0.26.1rc1.dev156+g0eec856cc`."""
    match = _VERSION.match(text.removeprefix("v"))
    return match[0] if match else ""
