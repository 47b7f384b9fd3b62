"""The quality that a measurement states: a share, or what two files of lm-evaluation-harness show was kept."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from planner.catalog.records import Model
from planner.language.declared.declare import StatedFields
from planner.language.scope import Scope
from planner.syntax import tree
from planner.syntax.files import read as read_text

if TYPE_CHECKING:
    from planner.catalog.measured.evaluation_results import Evaluation, KeptQuality

READER = "lm_eval"
USAGE = 'quality = lm_eval("native.json", "quantized.json")'
HIGHEST = Fraction(2)
"""The most a recovery may be, as formats may state it."""


def reader_of(declaration: tree.Declaration) -> tree.Call | None:
    """Return the call that a block's `quality` is read by, None where it states a share or nothing."""
    calls = (line.value for line in declaration.body if line.target.text == "quality" and line.operator == "=")
    return next((call for call in calls if isinstance(call, tree.Call)), None)


def kept(call: tree.Call, scope: Scope) -> KeptQuality | None:
    """Return what two files show; None where a finding says why not."""
    from planner.catalog.measured.evaluation_results import kept as compared

    if call.function != READER:
        scope.error("E0402", f"`quality` is a share or `{READER}`, not `{call.function}`", call.span, help=USAGE)
        return None
    names = [item for item in call.arguments if isinstance(item, tree.String)]
    if len(names) != 2 or len(call.arguments) != 2:
        scope.error("E0402", f"`{READER}` takes two paths in quotes, the native run first", call.span, help=USAGE)
        return None
    first, second = (_read(name, scope) for name in names)
    if first is None or second is None:
        return None
    try:
        return compared(first, second)
    except ValueError as problem:
        help = "evaluate both models alike: the same tasks, shots and samples"
        scope.error("E0206", f"the two runs cannot be compared: {problem}", call.span, help=help)
    return None


def _read(name: tree.String, scope: Scope) -> Evaluation | None:
    from planner.catalog.measured.evaluation_results import read

    text, finding = read_text(Path(name.span.path).parent / name.text)
    reason = finding.message if finding is not None else ""
    if text is not None:
        try:
            return read(text)
        except ValueError as problem:
            reason = f'"{name.text}" cannot be read: {problem}'
    scope.error("E0206", reason, name.span, help="name a results_*.json as `lm_eval --output_path` wrote it")
    return None


def stated(said: StatedFields, scope: Scope) -> Fraction | None:
    """Return a quality that is stated as a share; None where none is, or a finding says what it may be."""
    value = said.values.get("quality")
    if not isinstance(value, Fraction):
        return None
    if not 0 < value <= HIGHEST:
        scope.error("E0403", "`quality` is above 0 and at most 200%", said.spans["quality"], help="quality = 98.7%")
        return None
    return value


def model_of(kept_quality: KeptQuality, scope: Scope) -> Model | None:
    """Return the model of the native run, where the catalog has it."""
    known = scope.catalog.find_model(kept_quality.native) if kept_quality.native else None
    return known if isinstance(known, Model) else None


def weights_of(kept_quality: KeptQuality, scope: Scope) -> str:
    """Return the format of the quantized run's weights, where the catalog has its checkpoint; "" where it has not."""
    known = scope.catalog.find_model(kept_quality.quantized) if kept_quality.quantized != kept_quality.native else None
    return known.native_format if isinstance(known, Model) else ""
