"""Models whose description, or the formats of whose tensors, are assumed and not read (W0618)."""

from __future__ import annotations

from collections.abc import Iterator

from planner.catalog.checkpoints import NAMED, WIDE
from planner.diagnostics.diagnostic import Diagnostic, warning
from planner.lint.source import Source


def assumed(source: Source) -> Iterator[Diagnostic]:
    """Yield each workload of a checkpoint that only its name describes, unless it is in 16 bit throughout."""
    if source.problem is None:
        return
    for workload in source.problem.workloads:
        model = workload.model
        if model.layout != NAMED or model.native_format in WIDE or not model.original_format:
            continue
        kept = f", and {_listed(model.native_leaves)} as in 16 bit" if model.native_leaves else ""
        yield warning(
            "W0618",
            f"only its name says how {model.id} is stored: its weights count as {model.native_format}{kept}",
            workload.spans.get("model", workload.span),
            help='model mine = config("its/config.json") counts its tensors as its own files say',
        )


def _listed(names: tuple[str, ...]) -> str:
    """Return words as a list in a sentence."""
    plain = [name.replace("_", " ") for name in names]
    return " and ".join([", ".join(plain[:-1]), plain[-1]] if len(plain) > 1 else plain)
