"""The splits and recomputation that frameworks have settings for, by their rows of catalogs/frameworks.yaml: for the
search, `check` and `explain`."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from planner.catalog.programs.frameworks import Framework
from planner.solve.needs import need
from planner.solve.parallelism import Fault, Layout


def layout_faults(framework: Framework, layout: Layout, fsdp: int) -> Iterator[Fault]:
    """Yield what of a layout a framework cannot be told; `fsdp` is the version that shards."""
    row, name, copies = framework, framework.id, layout.data > 1
    if layout.zero not in row.zero and layout.data * layout.context > 1:
        yield Fault("zero", need("stages", name, row.zero), Fraction(layout.zero))
    if layout.pipeline > 1 and not row.pipelines:
        yield Fault("pipeline_parallel", need("no_pipelines", name), Fraction(layout.pipeline))
    for quantity, size in (("tensor_parallel", layout.tensor), ("context_parallel", layout.context)):
        if not row.joint or size == 1 or not (copies or quantity == "context_parallel"):
            continue
        if layout.zero < 2 or not layout.sharded:
            yield Fault(quantity, need("unsharded", name), Fraction(size))
        elif fsdp < row.joint:
            yield Fault(quantity, need("joint", name, row.joint), Fraction(size))


def recomputation_faults(
    framework: Framework, mode: str, selective: str, layers: int | None, again: int
) -> Iterator[Fault]:
    """Yield what of recomputation a framework cannot be told; `layers` are the model's, None where nobody knows."""
    row, name = framework, framework.id
    if mode == "selective" and selective not in row.selectives:
        yield Fault("checkpointing", need("selective", name, selective, row.selectives), "selective")
    elif mode != "none" and layers is not None and again != layers and not row.some_layers:
        yield Fault("checkpointed_layers", need("recomputes_all", layers, name), Fraction(again))
