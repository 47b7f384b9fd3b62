"""What a workload has of given quantities that its plan does not mention, where that follows from what is chosen.

The engine's release says its settings on a GPU, the framework its gradients; planner.language.defaults has the rest.
Rules, preferences and tests see the same of a single candidate and of a table of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from planner.catalog.architecture import Architecture, LatentAttention
from planner.language.problem import Value, Workload
from planner.language.schema import BY_KIND
from planner.record import dataclass

NATIVE = "native_format"
"""What is given of a model beside its name: the format that its checkpoint is in, as the catalog has it."""

LAYERS = "layers"
"""And of one that is trained the number of its layers, beside which stand those that are recomputed."""

SPARSE = "sparse_latents"
"""And of one that is served whether its latent attention picks the tokens it looks at, for which engines have words of
their own; only where it does."""


@dataclass(frozen=True, slots=True)
class Default:
    """The decisions from which a quantity follows, and its value where they are chosen."""

    reads: tuple[str, ...]
    value: Callable[[Mapping[str, Value]], Value]


def picks(arch: Architecture | None) -> bool:
    """Return whether a model's latent attention picks the tokens it looks at (DeepSeek-V3.2, GLM-5)."""
    mixers = () if arch is None else tuple(group.mixer for group in arch.groups)
    return any(isinstance(mixer, LatentAttention) and bool(mixer.index_heads) for mixer in mixers)


def whole_number(choice: Mapping[str, Value], name: str) -> int:
    """Return a decision that is a whole number, 1 where a choice has none (as judges take it)."""
    value = choice.get(name)
    return int(value) if isinstance(value, Fraction) else 1


def unmentioned(workload: Workload, defaults: dict[str, Default]) -> dict[str, Default]:
    """Return the defaults of quantities that the plan does not mention."""
    return {name: item for name, item in defaults.items() if name not in workload.given}


def values(defaults: Mapping[str, Default], choice: Mapping[str, Value]) -> dict[str, Value]:
    """Return the defaults of a whole choice."""
    return {name: item.value(choice) for name, item in defaults.items()}


def given_of(workload: Workload, unsaid: Mapping[str, Value]) -> dict[str, Value]:
    """Return everything that is given of a workload: its model as written and the format of the model's checkpoint,
    what the plan says, and every default."""
    model: dict[str, Value] = {"model": workload.written or workload.model.id, NATIVE: workload.model.native_format}
    if "checkpointed_layers" in BY_KIND[workload.kind] and workload.model.architecture is not None:
        model[LAYERS] = Fraction(workload.model.architecture.layers)
    if "kv_cache" in BY_KIND[workload.kind] and picks(workload.model.architecture):
        model[SPARSE] = True
    said = {name: value for name, value in workload.given.items() if name != "copies" or value != 1}
    return {**model, **said, **unsaid}
