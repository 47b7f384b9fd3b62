"""What the memory model says of one rank of sharded training, by library and stage: mean and worst errors.

usage: python benchmarks/sharded.py [-v] [library…]      -v shows each row but those that are kept out
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

import training_ranks as ranks  # noqa: E402


def rows(kept: tuple[bool, ...] = (False, True)) -> dict[str, list[tuple[float, str]]]:
    """Errors in per cent and ids by library, stage and offloading."""
    out: dict[str, list[tuple[float, str]]] = {}
    for name, row in ranks.measured().items():
        if ranks.held_out(name) in kept:
            out.setdefault(ranks.group(row), []).append((100 * ranks.error(name), name))
    return out


def table() -> list[str]:
    """The rows of docs/accuracy.md: all rows, and the third that was kept out."""
    own = rows((True,))
    lines = []
    for kind, found in sorted(rows().items()):
        errors = [error for error, _ in found]
        kept = [abs(error) for error, _ in own.get(kind, [])]
        apart = f"{len(kept)} | {statistics.fmean(kept):.2f}" if kept else "0 | "
        lines.append(
            f"| {kind} | {len(errors)} | {statistics.fmean(map(abs, errors)):.2f} | {min(errors):+.2f} | "
            f"{max(errors):+.2f} | {apart} |"
        )
    return lines


def main(words: list[str]) -> None:
    wanted = [word for word in words if not word.startswith("-")]
    if "-v" in words:
        for name, row in ranks.measured().items():
            if ranks.held_out(name) or (wanted and row["library"] not in wanted):
                continue
            found, parts = ranks.phases(name), row["phases"]
            off = " ".join(f"{key} {(found[key] - parts[key]) / 2**20:+8.1f}" for key in ("fwd", "bwd", "opt"))
            print(f"{100 * ranks.error(name):+7.2f} {off} of {row['peak'] / 2**20:8.1f} {row['phase']} {name}")
    print("| library, stage | rows | mean | lowest | highest | kept out | mean |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    print("\n".join(table()))


if __name__ == "__main__":
    main(sys.argv[1:])
