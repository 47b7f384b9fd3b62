"""Public reports of training as plans: what each verdict on memory is, and whether it is what happened.

usage: python benchmarks/field.py [-v] [FILE]      FILE has rows like those of tests/truth/training_field.jsonl
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROWS = Path(__file__).parents[1] / "tests" / "truth" / "training_field.jsonl"
GIB = 2**30
OTHERWISE = {
    "FT17": "ran on axolotl's rewrite of the model with a linear layer for each expert (axolotl-ai-cloud/axolotl#2502) "
    "that bitsandbytes quantizes; transformers has fused experts, which it does not (#3439: a peak of 127 GiB, 23 "
    "with them quantized)",
}
"""Reports of something else than their plan says, and why: they are not judged."""
EXPLAINED = {
    "FS1a": "asks for 64 sequences a step; what ran on sixteen GPUs (FT03) had one a GPU. With more the Trainer adds "
    "whole gradients up, unless sync_each_batch is set",
}
"""Reports that are judged wrong for a reason that is known."""


class Verdict(NamedTuple):
    """What is said of a report, what happened, and memory in GiB: expected, at the safe end, usable, measured."""

    id: str
    framework: str
    confidence: str
    said: str
    happened: str
    right: bool
    expected: float
    safe: float
    usable: float
    measured: float | None
    broken: str


def happened(facts: dict[str, Any]) -> str:
    """What a report tells: it fits, it does not, the most GPUs it took, or that offloading did not help."""
    if "offloads" in facts:
        return "nothing offloaded" if not facts["offloads"] else "offloaded"
    if "gpus_at_most" in facts:
        return f"at most {facts['gpus_at_most']} GPUs"
    return "fits" if facts.get("starts", facts.get("gpu_fits")) else "does not fit"


def verdict(row: dict[str, Any]) -> Verdict:
    """What the planner says of a row."""
    import planner

    # a report of how many GPUs were enough asks whether so many are
    count = row["facts"].get("gpus_at_most")
    plan = planner.load(f"{row['id']}.mem", text=row["plan"], settings=[f"t.gpus={count}"] if count else [])
    if any(item.is_error for item in plan.findings):
        return judged(row, {})
    if row.get("verb") == "solve":
        return judged(row, planner.solve(plan).document())
    answer = planner.estimate(plan)
    assert isinstance(answer, planner.Result)
    return judged(row, answer.document())


def judged(row: dict[str, Any], body: dict[str, Any]) -> Verdict:
    """The verdict that an answer in JSON is."""
    fact = happened(row["facts"])
    framework = row["plan"].split("framework", 1)[1].split("=", 1)[1].split()[0]
    confidence = row["confidence"].split(":")[0]
    if not body.get("workloads"):
        said = "does not fit" if body.get("outcome") == "infeasible" else "nothing"
        return Verdict(row["id"], framework, confidence, said, fact, said == fact, 0, 0, 0, None, "")
    own = body["workloads"][0]
    memory = own["memory"]
    broken = sorted(item["rule"].split(".")[1] for item in own.get("broken", []))
    fits = memory["total"] <= memory["usable"] and "host_memory" not in broken
    said = "fits" if fits else "does not fit"
    if "offloads" in row["facts"]:
        said = "nothing offloaded" if own["choice"]["offload"] == "none" else "offloaded"
        right = fits and said == fact
    elif "gpus_at_most" in row["facts"]:
        count = int(own["choice"]["gpus"])
        said, right = f"{count} GPUs", count <= row["facts"]["gpus_at_most"]
    else:
        right = said == fact
    margin = memory["parts"]["margin"]
    return Verdict(
        row["id"],
        framework,
        confidence,
        said,
        fact,
        right,
        (memory["total"] - margin) / GIB,
        memory["total"] / GIB,
        memory["usable"] / GIB,
        row["facts"].get("peak_gib"),
        " ".join(broken),
    )


def verdicts(path: Path = ROWS) -> Iterator[Verdict]:
    """The verdicts of a file of rows."""
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["id"] in OTHERWISE:
            continue
        if row.get("plan") and {"starts", "gpu_fits", "gpus_at_most", "offloads"} & set(row["facts"]):
            yield verdict(row)


def main(words: list[str]) -> None:
    files = [word for word in words if not word.startswith("-")]
    found = list(verdicts(Path(files[0]) if files else ROWS))
    if "-v" in words:
        for each in found:
            mark = "" if each.right else "WRONG"
            print(
                f"{each.id:6s} {each.framework:12s} {each.confidence:6s} {each.said:13s} ({each.happened}) "
                f"{each.expected:7.2f} {each.safe:7.2f} of {each.usable:6.2f} "
                f"measured {each.measured} {each.broken} {mark}"
            )
    for confidence in ("high", "medium", "low"):
        own = [each for each in found if each.confidence == confidence]
        unsafe = [each.id for each in own if each.said == "fits" and each.happened == "does not fit"]
        refused = [each.id for each in own if not each.right and each.id not in unsafe]
        print(f"{confidence}: {sum(each.right for each in own)} of {len(own)} right; ", end="")
        print(f"said to fit and did not: {', '.join(unsafe) or 'none'}; refused: {', '.join(refused) or 'none'}")


if __name__ == "__main__":
    main(sys.argv[1:])
