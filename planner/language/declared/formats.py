"""Number formats that a plan declares: a shipped one with its own bits, or its own measured quality."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from planner.catalog.records import Format
from planner.language.declared.declare import read_fields
from planner.language.declared.hardware import PLAN, base_row
from planner.language.scope import Scope
from planner.syntax import tree


def declare_format(declaration: tree.Declaration, scope: Scope) -> None:
    """Add a declared format to the scope. `quality` is a recovery up to 2 (200 %) of the native format."""
    before = len(scope.findings)
    base = base_row(declaration, scope)
    said = read_fields(declaration, scope)
    if declaration.base is None and not {"bits"} & {*said.spans, *said.meant}:
        scope.error(
            "E0404",
            f"format `{declaration.name}` does not say `bits`",
            declaration.name_span,
            help=f"state it, or copy a row: format {declaration.name} like int4 {{ … }}",
        )
    for name, least, most in (("bits", 0, 128), ("quality", -1, 2), ("element_bits", 0, 128)):
        value = said.values.get(name)
        if isinstance(value, Fraction) and not least < value <= most:
            range_ = "above 0 and at most 200%" if name == "quality" else f"above 0 and at most {most}"
            scope.error(
                "E0403", f"`{name}` is {range_}", said.spans[name], help=f"{name} = {'99%' if name == 'quality' else 4}"
            )
    if len(scope.findings) > before:
        scope.broken.add(declaration.name)
        return
    if isinstance(base, Format):
        start = replace(base, like=base.like or base.id)
    else:
        bits = said.values["bits"]
        assert isinstance(bits, Fraction)
        element = int(said.values.get("element_bits", bits))
        start = Format(declaration.name, declaration.name, bits, element, PLAN, computes_as="bf16")
    changes: dict[str, object] = {"id": declaration.name, "name": declaration.name, "source": PLAN}
    for name, value in said.values.items():
        if name in ("largest", "epsilon"):
            changes[name] = float(value)
        elif name in ("exponent", "mantissa", "block", "element_bits"):
            changes[name] = int(value)
        else:
            changes[name] = value
    changes |= dict(said.sets)
    scope.formats[declaration.name] = replace(start, **changes)  # type: ignore[arg-type]
