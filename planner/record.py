"""`dataclass` as the standard library has it, but quick to define: start-up is a feature, and there are 150 of them.

A frozen, slotted class shares its methods with all others but for `__init__`, which is compiled when it is first
called. What `dataclasses` offers for instances (`replace`, `fields`, `asdict`, `is_dataclass`) works on it, and type
checkers see the standard decorator.
"""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls=None, /, *, frozen=False, slots=False, **words):
        """Return the class as a dataclass; the words are those of the standard decorator."""
        if words or not (frozen and slots):
            return dataclasses.dataclass(cls, frozen=frozen, slots=slots, **words)
        return _frozen if cls is None else _frozen(cls)


def _frozen(cls: Any) -> Any:
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    listed = made.__dataclass_fields__

    def first(self: Any, *values: Any, **named: Any) -> None:
        _compile(made)  # most classes that a command defines it never makes an instance of
        made.__init__(self, *values, **named)

    made.__init__ = first
    made._values = staticmethod(attrgetter(*listed)) if listed else staticmethod(lambda record: ())
    for name, method in _METHODS.items():
        if name not in cls.__dict__:
            setattr(made, name, method)
    return made


def _compile(made: Any) -> None:
    """Give a class the `__init__` of its fields."""
    listed = made.__dataclass_fields__
    scope: dict[str, Any] = {"_set": object.__setattr__, "_missing": dataclasses.MISSING}
    arguments, lines = ["self"], []
    for name, item in listed.items():
        value = name
        if item.default is not dataclasses.MISSING:
            scope[f"_default_{name}"] = item.default
            arguments.append(f"{name}=_default_{name}")
        elif item.default_factory is not dataclasses.MISSING:
            scope[f"_make_{name}"] = item.default_factory
            arguments.append(f"{name}=_missing")
            value = f"_make_{name}() if {name} is _missing else {name}"
        else:
            arguments.append(name)
        lines.append(f" _set(self, {name!r}, {value})")
    exec(f"def __init__({', '.join(arguments)}):\n" + ("\n".join(lines) or " pass"), scope)
    method = scope["__init__"]
    method.__qualname__ = f"{made.__qualname__}.__init__"
    method.__annotations__ = {name: item.type for name, item in listed.items()} | {"return": None}
    made.__init__ = method


def _equal(self: Any, other: Any) -> bool:
    return self._values(self) == self._values(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(self._values(self))


def _repr(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__dataclass_fields__)
    return f"{type(self).__qualname__}({shown})"


def _refuse_set(self: Any, name: str, value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_delete(self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _get_state(self: Any) -> list[Any]:
    return [getattr(self, name) for name in self.__dataclass_fields__]


def _set_state(self: Any, state: list[Any]) -> None:
    for name, value in zip(self.__dataclass_fields__, state, strict=True):
        object.__setattr__(self, name, value)


_METHODS = {
    "__eq__": _equal,
    "__hash__": _hash,
    "__repr__": _repr,
    "__setattr__": _refuse_set,
    "__delattr__": _refuse_delete,
    "__getstate__": _get_state,
    "__setstate__": _set_state,
}
