"""Thousands of random plans through every verb: no traceback, exit codes 0 to 2, and findings with a code and a place.

The suite runs a share of it (test_fuzz.py). Longer, and with other seeds:

    python tests/fuzz.py --seed 1000 --plans 50000 --mutated 200000 --seconds 20

prints each plan that fails with its traceback and writes it to the folder that it names; exit 1 where any does.
`--seconds` also counts what takes more processor time than that as a failure, where the system has such a clock.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import io
import json
import os
import random
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # as the tests have it, before anything looks at the date
    os.environ.setdefault("SOURCE_DATE_EPOCH", "1756684800")
    sys.path.insert(0, str(Path(__file__).parents[1]))

import generate
import typer

from planner.catalog import load as catalogs
from planner.diagnostics.codes import CODES
from planner.plan import Loaded, load_plan, shipped_catalog
from planner.review import review

ROOT = Path(__file__).parents[1]
ANSWERS = ("table", "json", "markdown", "html")
FINDINGS = ("full", "concise", "json", "github", "gitlab", "sarif", "junit")
READABLE = frozenset({"json", "gitlab", "sarif"})
VERBS = ("check", "solve", "why", "estimate", "diff", "test", "fix")

READ_ONCE = cache(catalogs.load)
"""The shipped catalogs, read once for all plans: what runs many puts it in the place of `load` while it runs."""


class Unexpected(AssertionError):
    """What a plan must never do."""


@dataclass(frozen=True)
class Done:
    """What a verb printed, and its exit code."""

    code: int
    out: str
    err: str


def call(verb: str, words: Mapping[str, object]) -> Done:
    """Run a verb's function with its options as they are by default and `words` in their place; raise Unexpected."""
    function: Callable[..., None] = getattr(import_module(f"planner.cli.verbs.{verb}"), verb)
    known = inspect.signature(function).parameters
    given = {name: getattr(item.default, "default", item.default) for name, item in known.items()}
    out, err, code = io.StringIO(), io.StringIO(), 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            function(**{**given, **{name: value for name, value in words.items() if name in known}})
    except typer.Exit as left:
        code = left.exit_code
    if code not in (0, 1, 2):
        raise Unexpected(f"{verb} exits {code}")
    if "E9901" in err.getvalue():
        raise Unexpected(f"{verb}: {err.getvalue()}")
    return Done(code, out.getvalue(), err.getvalue())


def look(loaded: Loaded, path: str) -> None:
    """See that what is found of a plan has a code and a place, and can be printed; raise Unexpected."""
    from planner.diagnostics.full import render

    found = review(path, loaded)
    for item in found:
        if item.code not in CODES or item.span is None:
            raise Unexpected(f"a finding without code or place: {item}")
    if loaded.problem is None and not any(item.is_error for item in loaded.findings):
        raise Unexpected("no problem, and nothing says why")
    render(found, loaded.texts)


def verbs(path: str, chosen: Sequence[str], chance: random.Random) -> None:
    """Run some verbs on a plan; raise whatever they raise, or Unexpected."""
    for verb in chosen:
        form = chance.choice(FINDINGS if verb in ("check", "test") else ANSWERS)
        words: dict[str, object] = {"format": form, "plan": path, "what": path, "time_limit": "1s"}
        words |= {"plans": [path], "paths": [path], "top": chance.choice((0, 1, 3))}
        if verb == "solve" and chance.random() < 0.1:
            words["pareto"] = "cost,headroom"
        done = call(verb, words)
        if form in READABLE and done.out and verb != "fix":
            json.loads(done.out)
        if done.code == 2 and not done.err:
            raise Unexpected(f"{verb} exits 2 and does not say why")
        lock = Path(f"{path}.lock")
        if verb == "solve" and lock.exists():
            after = chance.choice(("diff", "check"))
            call(after, {**words, "format": chance.choice(ANSWERS if after == "diff" else FINDINGS)})
            lock.unlink()


def folder_of(where: Path) -> Path:
    """Write the files that plans name."""
    for name, text in generate.FILES.items():
        (where / name).write_text(text, encoding="utf-8")
    return where


TURN = (
    "solve",
    "fix",
    "check",
    "fix",
    "why",
    "check",
    "fix",
    "check",
    "test",
    "fix",
    "check",
    "fix",
    "diff",
    "check",
    "fix",
    "check",
)
"""The verbs that plans go through in turn: more of them through what takes least."""


def turn(seed: int) -> tuple[str, ...]:
    """Return the verb of a seed's plan."""
    return ("estimate",) if seed % 5 == 0 else (TURN[(seed // 5 * 4 + seed % 5 - 1) % len(TURN)],)


def valid(seed: int, where: Path, each: Sequence[str] = (), wide: bool = False) -> tuple[str, bool, tuple[str, ...]]:
    """Make the plan of a seed and run it; return its text, whether it had no errors, and the verbs it went through.

    Without `each`, one plan in five is one for `estimate`, and the others go through one verb in turn.
    """
    chance = random.Random(seed)
    fixed = seed % 5 == 0
    text = generate.plan(chance, fixed, wide)
    path = where / "plan.mem"
    path.write_text(text, encoding="utf-8")
    loaded = load_plan(str(path), shipped=shipped_catalog())
    chosen = tuple(each) or turn(seed)
    if "check" in chosen:
        look(loaded, str(path))
    verbs(str(path), chosen, chance)
    return text, loaded.problem is not None, chosen


SEEDS = [
    path.read_text(encoding="utf-8")
    for folder in ("examples", "tests/corpus/good", "tests/corpus/errors")
    for path in sorted((ROOT / folder).glob("*.mem"))
    if path.stat().st_size < 1000
]
"""The shorter plans of the repository: they are read by the thousand."""


def spoiled(seed: int, count: int, where: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield mutated plans and what to do with each: read and look at all, and let what has no errors be solved."""
    chance = random.Random(seed)
    texts = SEEDS + [generate.plan(chance) for _ in range(100)]
    path = where / "mutated.mem"
    shipped = shipped_catalog()

    def run(text: str) -> None:
        loaded = load_plan(str(path), shipped=shipped, text=text)
        look(loaded, str(path))
        if loaded.problem is not None and len(text) < 700 and chance.random() < 0.1:
            path.write_text(text, encoding="utf-8", errors="replace")
            verbs(str(path), ("solve",), chance)

    for text in (each for each, _ in zip(generate.mutated(chance, texts), range(count), strict=False)):
        yield text, lambda text=text: run(text)  # type: ignore[misc]


def _late(*_: Any) -> None:
    raise Unexpected("too slow")


@contextlib.contextmanager
def _limit(seconds: int) -> Iterator[None]:
    """Raise Unexpected in what takes more processor time than that; no limit where it is 0."""
    if seconds:
        signal.signal(signal.SIGPROF, _late)
        signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        if seconds:
            signal.setitimer(signal.ITIMER_PROF, 0)


def main() -> int:
    """Run as many plans as are asked for and show what is unexpected."""
    catalogs.load = READ_ONCE
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1000, help="the first seed")
    parser.add_argument("--plans", type=int, default=3000, help="how many mostly valid plans")
    parser.add_argument("--mutated", type=int, default=10_000, help="how many mutated ones")
    parser.add_argument("--seconds", type=int, default=0, help="the longest that one plan may take")
    parser.add_argument("--wide", action="store_true", help="plans that leave more open")
    parser.add_argument(
        "--verb", action="append", default=[], choices=VERBS, help="only these verbs, each on every plan"
    )
    asked = parser.parse_args()
    where = folder_of(Path(tempfile.mkdtemp(prefix="planner-fuzz-")))
    kinds: Counter[str] = Counter()
    good = 0

    def failed(text: str, seed: int) -> None:
        steps = traceback.extract_tb(sys.exc_info()[2])
        last = next((step for step in reversed(steps) if f"{os.sep}planner{os.sep}" in step.filename), steps[-1])
        kind = f"{sys.exc_info()[1]!r:.100} at {last.filename}:{last.lineno}"
        kinds[kind] += 1
        if kinds[kind] == 1:
            (where / f"failed_{seed}_{len(kinds)}.mem").write_text(text, encoding="utf-8", errors="replace")
            traceback.print_exc()
            print(f"--- seed {seed}\n{text}---", flush=True)

    for seed in range(asked.seed, asked.seed + asked.plans):
        if seed % 500 == 0:
            print(f"seed {seed}", flush=True)
        try:
            with _limit(asked.seconds):
                good += valid(seed, where, asked.verb, asked.wide)[1]
        except Exception:
            failed((where / "plan.mem").read_text(encoding="utf-8"), seed)
    for text, run in spoiled(asked.seed, asked.mutated, where):
        try:
            with _limit(asked.seconds):
                run()
        except Exception:
            failed(text, asked.seed)
    print(f"{asked.plans} plans ({good} without errors), {asked.mutated} mutated; failures in {where}:")
    for kind, count in kinds.most_common():
        print(f"{count:6} {kind}")
    return int(bool(kinds))


if __name__ == "__main__":
    sys.exit(main())
