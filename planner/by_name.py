"""A model by its name: an id, a config.json, a folder or a checkpoint, and the plan that what is said of it means."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from planner.language import compose
from planner.language.compose import PLACE, Words
from planner.plan import load_plan, shipped_catalog

if TYPE_CHECKING:
    from planner.catalog.catalog import Catalog

FILES = (".safetensors", ".gguf", ".index.json")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(gib|gb|g)", re.IGNORECASE)


class MistakenWord(ValueError):
    """What is said of a model means nothing: why, with the code of a finding, or the option that is wrong."""

    def __init__(self, reason: str, *, code: str = "", option: str = "") -> None:
        """Keep the reason, and the code or the option."""
        super().__init__(reason)
        self.code, self.option = code, option


def is_model(what: str) -> bool:
    """Return whether a name that is not a count is a model's and not a plan's: a file of a model, or no file at all."""
    path = Path(what)
    if path.is_dir():
        return True
    if path.is_file():
        return path.name.endswith((*FILES, ".json"))
    return not what.endswith((".mem", ".lock")) and what != "-"


def counted(text: str) -> str | None:
    """Return a count of parameters as `parameters` reads it where a text looks like one: 70B for 70b, 13B for 13GB."""
    match = re.fullmatch(r"(\d[\d_]*(?:\.\d+)?)\s*([kmbtg])(?:b|illion|n)?(?:\s*(?:params?|parameters))?", text.lower())
    if match is not None:
        scale = {"g": "B"}.get(match[2], match[2] if match[2] == "k" else match[2].upper())
        return f"{match[1]}{scale}"
    power = re.fullmatch(r"(\d+(?:\.\d+)?)e\+?(\d{1,2})", text.lower())
    if power is None:
        return None
    value = Fraction(power[1]) * 10 ** int(power[2])
    return str(value.numerator) if value.denominator == 1 else None


def sized(words: Words) -> tuple[Words, str, str]:
    """Return the words, the declaration of a GPU that is given by its memory alone (`96GiB`), and what to say of it.

    In all else it is like the catalog's card with the nearest memory, which is said: memory follows what is stated.
    """
    size = _SIZE.fullmatch((words.gpu or "").strip())
    if size is None:
        return words, "", ""
    unit = "GB" if size[2].lower() == "gb" else "GiB"
    memory = Fraction(size[1]) * (10**9 if unit == "GB" else 2**30)
    gpus = shipped_catalog()[0].gpus
    like = min(gpus, key=lambda name: (gpus[name].vendor != "nvidia", abs(gpus[name].memory - memory), name))
    name = f"own_{size[1].replace('.', '_')}{unit.lower()}"
    note = f"a GPU of {size[1]} {unit} as frameworks see it; its speed and all else are those of {like}"
    return replace(words, gpu=name), f"gpu {name} like {like} {{ memory = {size[1]} {unit} }}\n", note


def composed(words: Words, *, name: str, objective: bool = True, seen_from: Path = Path(), more: str = "") -> str:
    """Return the plan that the words mean; raise MistakenWord.

    A model's file is named as seen from a folder, the one where the plan is to lie; `more` are further declarations.
    """
    text = _composed(words, name=name, objective=objective, seen_from=seen_from)
    return text.replace("\n\n", f"\n\n{more}\n", 1) if more else text


def _composed(words: Words, *, name: str, objective: bool, seen_from: Path) -> str:
    if not (Path(words.model).exists() and is_model(words.model)):
        if words.approximate:
            raise MistakenWord("it goes with a model's file; the catalog is exact", option="--approximate")
        longest = _known(words.model, shipped_catalog()[0])
        return _text(words, name, longest, objective)
    call, path = _file(words.model)
    declaration, words = compose.declared(call, path, words.approximate), replace(words, model="it")
    text = _text(words, name, None, objective, declaration)
    if words.context is None:  # the default is no longer than what the model is made for
        problem = load_plan(PLACE, text=text).problem
        longest = problem.workloads[0].model.max_context if problem is not None else None
        text = _text(words, name, longest or None, objective, declaration)
    if seen_from == Path() or Path(path).is_absolute():
        return text
    relative = Path(os.path.relpath(path, seen_from)).as_posix()
    return text.replace(declaration, compose.declared(call, relative, words.approximate))


def _text(words: Words, name: str, longest: int | None, objective: bool, declaration: str = "") -> str:
    try:
        text = compose.plan(words, name=name, longest=longest, objective=objective)
    except ValueError as problem:
        option, reason = problem.args
        raise MistakenWord(reason, option=option) from None
    return text.replace("\n\n", f"\n\n{declaration}\n", 1) if declaration else text


def _known(text: str, catalog: Catalog) -> int | None:
    """Return the longest context of a catalog model; raise where no row has the name, saying what may be meant."""
    from planner.catalog.model_names import meant

    row = catalog.find_model(text)
    if isinstance(row, tuple):
        ids = ", ".join(sorted(one.id for one in row))
        raise MistakenWord(f"`{text}` is ambiguous: it can be {ids}", code="E0305")
    if row is None:
        way = meant(text, catalog).question or "`planner catalog list models` shows them; a config.json is read too"
        raise MistakenWord(f"unknown model `{text}`, and there is no file of that name; {way}", code="E0301")
    return row.max_context or None


def _file(text: str) -> tuple[str, str]:
    """Return the function that reads a model's file, and the file: a folder's checkpoint before its config.json."""
    path = Path(text)
    if path.is_dir():
        for name in ("model.safetensors.index.json", "model.safetensors"):
            if (path / name).is_file():
                return "checkpoint", str(path / name)
        own = sorted(path.glob("*.gguf"))
        if len(own) == 1:
            return "checkpoint", str(own[0])
        if not (path / "config.json").is_file():
            reason = f"`{text}` holds no model: it has neither a config.json nor one checkpoint"
            raise MistakenWord(reason, code="E0204")
        return "config", str(path / "config.json")
    return ("checkpoint" if path.name.endswith(FILES) else "config"), text
