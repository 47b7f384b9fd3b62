"""Image encoders that are known by their parameters alone, so that their peak is an assumption (W0616)."""

from __future__ import annotations

from collections.abc import Iterator

from planner.diagnostics.diagnostic import Diagnostic, warning
from planner.lint.source import Source


def encoders(source: Source) -> Iterator[Diagnostic]:
    """Yield each service of images whose model's encoder has no shapes in its row: it is counted on the safe side."""
    if source.problem is None:
        return
    for workload in source.problem.workloads:
        arch = workload.model.architecture
        if workload.kind != "inference" or arch is None or arch.vision or not arch.opaque_params:
            continue
        if not workload.given["images"]:
            continue
        billions = arch.opaque_params / 10**9
        yield warning(
            "W0616",
            f"the image encoder of {workload.model.id} is known by its {billions:.2g}B parameters alone: "
            "its peak counts as that of the largest images there are",
            workload.spans.get("model", workload.span),
            help="images = false, where only text is served; or give the model's row a `vision`",
        )
