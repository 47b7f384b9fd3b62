"""Fleets of any seeds against the oracle: `python -m tests.oracle --seeds 100000..101000`."""

from __future__ import annotations

import argparse
import collections
import sys
import time

from .fleets import WIDE, World, copied, fleet
from .laws import LAWS
from .mixed_plans import faulty
from .mixes import law as mix_law
from .mixes import wrong as mix
from .smaller import shrunk
from .verdict import faults


def main() -> int:
    """Print what is wrong with each seed that is answered wrongly, and how many were; return 1 where any was."""
    reader = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    reader.add_argument("--seeds", default="100000..100200", help="FIRST..LAST, the last not among them; or one seed")
    reader.add_argument("--laws", action="store_true", help="the laws instead of the oracle")
    reader.add_argument("--mixes", action="store_true", help="mixes of configurations, and with --laws their laws")
    reader.add_argument("--plans", action="store_true", help="with --mixes: whole plans, their answers and their locks")
    reader.add_argument("--copies", action="store_true", help="fleets with copies of their services")
    reader.add_argument("--suite", action="store_true", help="the fleets of the suite: fewer models, GPUs and choices")
    reader.add_argument("--shrink", action="store_true", help="print the least plan that is wrong in the same way")
    said = reader.parse_args()
    first, _, last = said.seeds.partition("..")
    seeds = range(int(first), int(last or int(first) + 1))
    count: collections.Counter[str] = collections.Counter()
    started = time.process_time()
    for seed in seeds:
        found = _found(seed, said)
        count["wrong" if found else "right"] += 1
        if found:
            print(f"seed {seed}: {found}", flush=True)
    print(dict(count), f"{time.process_time() - started:.1f} s of CPU")
    return int(count["wrong"] > 0)


def _found(seed: int, said: argparse.Namespace) -> str:
    if said.mixes and said.plans:
        return faulty(seed)
    if said.mixes:
        return mix_law(seed) if said.laws else mix(seed)
    return _law(seed) if said.laws else _fleet(seed, World() if said.suite else WIDE, said)


def _fleet(seed: int, world: World, said: argparse.Namespace) -> str:
    plan = copied(seed, world) if said.copies else fleet(seed, world)
    try:
        found = faults(plan)
        if found and said.shrink:
            plan = shrunk(plan)
            found += ["the least plan:", *faults(plan)]
    except Exception as error:  # a fault of the program too: the seed and the plan are what one needs
        found = [f"{type(error).__name__}: {error}"]
    return "\n  ".join(found) + f"\n{plan}" if found else ""


def _law(seed: int) -> str:
    law = LAWS[seed % len(LAWS)]
    try:
        law(seed)
    except Exception as error:
        return f"{law.__name__}: {type(error).__name__}: {error}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
