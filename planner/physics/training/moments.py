"""The largest moment of a training step: states and activations put together, part by part."""

from __future__ import annotations

from dataclasses import field

from planner.physics.training.activations import LOSS, MOMENTS, OPTIMIZER, Point
from planner.physics.training.shards import States
from planner.record import dataclass

PARTS = ("weights", "master_weights", "gradients", "optimizer", "activations", "logits", "overhead", "margin")


@dataclass(frozen=True, slots=True)
class TrainingMemory:
    """`parts` are live at the peak and add up to it; `sizes` is each part's whole size, whenever it lives.
    `approximate` are kinds of planner.solve.needs.Note, and what each is of.

    What the optimizer needs for a moment beside its states counts with them, copies of gradients with the gradients.
    """

    parts: dict[str, int]
    sizes: dict[str, int]
    peak_moment: str
    moments: dict[str, int] = field(default_factory=dict)
    approximate: tuple[tuple[str, ...], ...] = ()

    @property
    def total(self) -> int:
        """Bytes at the peak."""
        return sum(self.parts.values())


def live(states: States, point: Point) -> tuple[int, int, int]:
    """Bytes of gradients, of what is gathered, and of the optimizer's scratch at a point."""
    if point.moment == OPTIMIZER:
        return states.closing, 0, states.step
    most = states.making if point.moment != LOSS else point.gradients * (states.making > 0)
    gradients = states.gradient(point.graded) + min(point.gradients, most)
    return gradients + states.beside.reduced[point.place], states.gathered(point.place, point.graded), 0


def moving(states: States, point: Point) -> int:
    """Bytes of tensors that come and go, and leave gaps: activations, logits, what is gathered or communicated."""
    passing = 0
    if point.moment != OPTIMIZER:
        passing = states.gathered(point.place, point.graded) + states.beside.reduced[point.place]
    return point.activations + point.logits + passing + states.buckets


def combine(
    states: States,
    points: tuple[Point, ...],
    overhead: int = 0,
    margin: int = 0,
    notes: tuple[tuple[str, ...], ...] = (),
    spare: int = 0,
) -> TrainingMemory:
    """The peak among the points, its parts, and the total of each of the six moments.

    `spare` is the allocator's reserve in thousandths of what comes and goes (frameworks.spare): `margin` grows by what
    the worst point needs with its reserve beyond the peak without.
    """
    overhead += states.buckets
    base = states.standing + overhead
    best: tuple[int, Point] | None = None
    moments: dict[str, int] = {}
    safe = 0
    for point in points:
        total = base + sum(live(states, point)) + point.activations + point.logits
        name = MOMENTS[point.moment]
        moments[name] = max(moments.get(name, 0), total)
        safe = max(safe, total + moving(states, point) * spare // 1000)
        if best is None or total > best[0]:
            best = (total, point)
    assert best is not None
    point = best[1]
    margin += safe - best[0]
    gradients, gathered, step = live(states, point)
    parts = {
        "weights": states.weights + gathered,
        "master_weights": states.master,
        "gradients": gradients,
        "optimizer": states.optimizer + step,
        "activations": point.activations,
        "logits": point.logits,
        "overhead": overhead,
        "margin": margin,
    }
    sizes = {
        **parts,
        "weights": states.weights + max(states.beside.gathered),
        "gradients": max(states.gradients, states.closing),
        "optimizer": states.optimizer + states.step,
        "activations": max(each.activations for each in points),
        "logits": max((each.logits for each in points if each.moment <= LOSS), default=0),
    }
    ordered: dict[str, int] = {name: moments[name] + margin for name in MOMENTS if name in moments}
    return TrainingMemory(parts, sizes, MOMENTS[point.moment], ordered, states.notes + notes)
