"""`dataclass` as the standard library has it, but quick to define: start-up is a feature, and there are 150 of them.

A slotted class shares its methods with all others but for `__init__`, which is compiled when it is called often; its
fields are listed when someone first asks. What `dataclasses` offers for instances (`replace`, `fields`, `asdict`,
`is_dataclass`) works on it, and type checkers see the standard decorator. No class derives from a record.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

_FEW = 12
"""So many instances of a class are made without compiling its `__init__`, which takes as long as twenty of them."""

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls=None, /, *, frozen=False, slots=False, **words):
        """Return the class as a dataclass; the words are those of the standard decorator."""
        if words or not slots or cls is not None:
            return dataclasses.dataclass(cls, frozen=frozen, slots=slots, **words)
        return partial(_record, frozen=frozen)


def _record(cls: Any, frozen: bool) -> Any:
    words = dict(cls.__dict__)
    names = tuple(words.get("__annotations__", ()))
    defaults = {name: words.pop(name) for name in names if name in words}
    words.pop("__dict__", None)
    words.pop("__weakref__", None)
    for name, method in (_FROZEN if frozen else _METHODS).items():
        words.setdefault(name, method)
    values = staticmethod(attrgetter(*names) if names else lambda record: ())
    words.update(__slots__=names, __match_args__=names, _values=values, __dataclass_fields__=_Fields(defaults))
    made = type(cls)(cls.__name__, cls.__bases__, words)
    made.__qualname__ = cls.__qualname__

    few = iter(range(_FEW))

    def first(self: Any, *values: Any, **named: Any) -> None:
        if next(few, None) is None or not _filled(self, names, defaults, values, named):
            _compile(made, names, defaults)
            made.__init__(self, *values, **named)

    made.__init__ = first
    return made


def _filled(record: Any, names: Any, defaults: dict[str, Any], values: Any, named: dict[str, Any]) -> bool:
    """Give a record its values as its `__init__` would; return False for arguments that it would refuse."""
    fits = len(values) <= len(names)
    for name, value in zip(names, values, strict=False):
        object.__setattr__(record, name, value)
    for name in names[len(values) :]:
        if name in named:
            value = named.pop(name)
        elif name in defaults:
            value = defaults[name]
            if isinstance(value, dataclasses.Field):
                factory: Any = value.default_factory
                value = value.default if factory is dataclasses.MISSING else factory()
        else:
            return False
        object.__setattr__(record, name, value)
    return fits and not named


class _Fields:
    """The fields of a class, made by the standard library when someone first asks for them."""

    __slots__ = ("defaults",)

    def __init__(self, defaults: dict[str, Any]) -> None:
        self.defaults = defaults

    def __get__(self, record: Any, cls: Any) -> dict[str, Any]:
        given = self.defaults
        kinds = cls.__annotations__.items()
        listed = [(name, kind, given[name]) if name in given else (name, kind) for name, kind in kinds]
        words = {"__doc__": cls.__doc__ or ""}
        like: Any = dataclasses.make_dataclass("_", listed, namespace=words, init=False, repr=False, eq=False)
        fields: dict[str, Any] = like.__dataclass_fields__
        cls.__dataclass_fields__ = fields
        return fields


def _compile(cls: Any, names: tuple[str, ...], defaults: dict[str, Any]) -> None:
    """Give a class the `__init__` of its fields."""
    scope: dict[str, Any] = {"_set": object.__setattr__, "_missing": dataclasses.MISSING}
    arguments, lines = ["self"], []
    for name in names:
        value = name
        default: Any = defaults.get(name, dataclasses.MISSING)
        factory: Any = dataclasses.MISSING
        if isinstance(default, dataclasses.Field):
            default, factory = default.default, default.default_factory
        if factory is not dataclasses.MISSING:
            scope[f"_make_{name}"] = factory
            arguments.append(f"{name}=_missing")
            value = f"_make_{name}() if {name} is _missing else {name}"
        elif default is not dataclasses.MISSING:
            scope[f"_default_{name}"] = default
            arguments.append(f"{name}=_default_{name}")
        else:
            arguments.append(name)
        lines.append(f" _set(self, {name!r}, {value})")
    exec(f"def __init__({', '.join(arguments)}):\n" + ("\n".join(lines) or " pass"), scope)
    method = scope["__init__"]
    method.__qualname__ = f"{cls.__qualname__}.__init__"
    method.__annotations__ = cls.__annotations__ | {"return": None}
    cls.__init__ = method


def _equal(self: Any, other: Any) -> bool:
    return self._values(self) == self._values(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(self._values(self))


def _repr(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
    return f"{type(self).__qualname__}({shown})"


def _refuse_set(self: Any, name: str, value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_delete(self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _get_state(self: Any) -> list[Any]:
    return [getattr(self, name) for name in self.__match_args__]


def _set_state(self: Any, state: list[Any]) -> None:
    for name, value in zip(self.__match_args__, state, strict=True):
        object.__setattr__(self, name, value)


_METHODS = {"__eq__": _equal, "__repr__": _repr}
_FROZEN = {
    **_METHODS,
    "__hash__": _hash,
    "__setattr__": _refuse_set,
    "__delattr__": _refuse_delete,
    "__getstate__": _get_state,
    "__setstate__": _set_state,
}
