"""Public reports of engines as plans, by engine: how many were tried, and what was said of those that went wrong."""

from __future__ import annotations

import field_serving

WAS = 2.87
"""GiB of margin on average, of the same reports, when they were first tried (commit 401e1cc)."""
LATER = frozenset({"FI01", "FI16", "FI17", "FI36"})
"""Reports that had no margin then: nothing is answered to them but an error."""
SECOND = "FN"
"""What the reports are called that were found after those, when nothing of the memory was fitted any more."""
NAMES = {"vllm": "vLLM", "sglang": "SGLang", "tensorrt_llm": "TensorRT-LLM", "llama_cpp": "llama.cpp"}


def section() -> list[str]:
    """The page's section."""
    found = [field_serving.verdict(row) for row in field_serving.rows()]
    lines = [
        "## Reports of engines that started, and of some that did not",
        "",
        f"{len(found)} public reports, as plans (`tests/truth/serving_field.jsonl`; each is printed by",
        "`python benchmarks/field_serving.py`). Where a report says whether the engine started, or on how many GPUs,",
        "that is held against the answer.",
        "",
        "| engine | confidence | reports | with a verdict | right | said to fit and did not start | refused and ran |",
        "|---|---|---:|---:|---:|---|---|",
    ]
    for engine, name in NAMES.items():
        for confidence in ("high", "medium", "low"):
            own = [item for item in found if item.engine == engine and item.row["confidence"] == confidence]
            told = [item for item in own if item.right is not None]
            if not own:
                continue
            unsafe = ", ".join(item.row["id"] for item in told if item.unsafe)
            refused = ", ".join(item.row["id"] for item in told if not item.right and not item.unsafe)
            right = sum(bool(item.right) for item in told)
            lines.append(f"| {name} | {confidence} | {len(own)} | {len(told)} | {right} | {unsafe} | {refused} |")
    held = [
        item
        for item in found
        if item.row["id"] not in LATER and not item.row["id"].startswith(SECOND) and item.chosen is not None
    ]
    mean = sum(item.margin for item in held) / len(held)
    lines += [
        "",
        f"The margin of {len(held)} reports is {mean:.2f} GiB on average; when they were first tried it was {WAS:.2f}",
        f"GiB: it is {mean / WAS:.2f} times as wide. The reports that are not answered as they went:",
        "",
    ]
    for item in found:
        if item.right is False:
            lines.append(
                f"- {item.row['id']} ({item.row['source']}, {item.row['confidence']}): {item.row.get('note', '')}."
            )
    return lines
