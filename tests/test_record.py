"""Records behave as the standard library's frozen, slotted dataclasses do."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest

from planner.record import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """A record with a plain field, a default and a factory."""

    x: int
    y: int = 2
    tags: list[str] = dataclasses.field(default_factory=list)

    @property
    def total(self) -> int:
        return self.x + self.y


@dataclass(frozen=True, slots=True)
class Empty:
    """A record of nothing."""


@dataclass(frozen=True, slots=True)
class Other:
    """A record alike but for its name."""

    x: int
    y: int = 2


def test_values_defaults_and_factories() -> None:
    one, two = Point(1), Point(x=1, y=2, tags=[])
    assert (one.x, one.y, one.tags, one.total) == (1, 2, [], 3)
    assert one == two and one.tags is not two.tags
    assert one != Point(1, 3) and Empty() == Empty() and Other(1) != Point(1)
    assert repr(one) == "Point(x=1, y=2, tags=[])" and repr(Empty()) == "Empty()"


def test_wrong_arguments_are_type_errors() -> None:
    for arguments, named in (((), {}), ((1, 2, [], 4), {}), ((1,), {"z": 3})):
        with pytest.raises(TypeError):
            Point(*arguments, **named)  # type: ignore[arg-type]


def test_frozen_and_slotted() -> None:
    one = Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.x = 2  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del one.x
    assert not hasattr(one, "__dict__")


def test_what_dataclasses_offers() -> None:
    one = Point(1, tags=["a"])
    assert dataclasses.is_dataclass(one) and [item.name for item in dataclasses.fields(one)] == ["x", "y", "tags"]
    assert dataclasses.replace(one, y=5) == Point(1, 5, ["a"])
    assert dataclasses.asdict(one) == {"x": 1, "y": 2, "tags": ["a"]}
    assert copy.deepcopy(one) == one and pickle.loads(pickle.dumps(one)) == one


def test_hashes_go_by_value() -> None:
    assert len({Other(1), Other(1), Other(2)}) == 2


@dataclass(slots=True)
class Counter:
    """A record that changes."""

    count: int = 0
    seen: list[int] = dataclasses.field(default_factory=list)


def test_records_that_change() -> None:
    one = Counter()
    one.count += 1
    one.seen.append(3)
    assert one == Counter(1, [3]) and Counter().seen == [] and not hasattr(one, "__dict__")
    with pytest.raises(TypeError):
        hash(one)


def test_the_first_instances_are_as_the_later_ones() -> None:
    @dataclass(frozen=True, slots=True)
    class Fresh:
        x: int
        y: tuple[int, ...] = dataclasses.field(default=(1,))
        z: dict[str, int] = dataclasses.field(default_factory=dict)

    made = [Fresh(1, z={}) for _ in range(40)]  # more than are made before `__init__` is compiled
    assert len({repr(one) for one in made}) == 1 and all(one == made[0] for one in made)
    assert made[0].z is not made[1].z and made[38].z is not made[39].z
    for arguments, named in (((), {}), ((1, (), {}, 4), {}), ((1,), {"w": 3}), ((1,), {"x": 2})):
        with pytest.raises(TypeError):
            Fresh(*arguments, **named)  # type: ignore[arg-type]
