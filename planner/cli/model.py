"""A model on the command line: an id, a config.json, a folder or a checkpoint, and the plan that the options mean."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from planner.cli.plan import Loaded, exists, load_plan, report, shipped_catalog
from planner.cli.screen import tell
from planner.language import compose
from planner.language.compose import PLACE, Words

if TYPE_CHECKING:
    from planner.catalog.catalog import Catalog

FILES = (".safetensors", ".gguf", ".index.json")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(gib|gb|g)", re.IGNORECASE)


def is_model(what: str) -> bool:
    """Return whether a name that is not a count is a model's and not a plan's: a file of a model, or no file at all."""
    path = Path(what)
    if path.is_dir():
        return True
    if path.is_file():
        return path.name.endswith((*FILES, ".json"))
    return not what.endswith((".mem", ".lock")) and what != "-"


def sized(words: Words) -> tuple[Words, str]:
    """Return the words and the declaration of a GPU that is given by its memory alone, `96GiB`.

    In all else it is like the catalog's card with the nearest memory, which is said: memory follows what is stated.
    """
    match = _SIZE.fullmatch((words.gpu or "").strip())
    if match is None:
        return words, ""
    unit = "GB" if match[2].lower() == "gb" else "GiB"
    size = Fraction(match[1]) * (10**9 if unit == "GB" else 2**30)
    gpus = shipped_catalog()[0].gpus
    like = min(gpus, key=lambda name: (gpus[name].vendor != "nvidia", abs(gpus[name].memory - size), name))
    name = f"own_{match[1].replace('.', '_')}{unit.lower()}"
    tell(f"warning: a GPU of {match[1]} {unit} as frameworks see it; its speed and all else are those of {like}")
    return replace(words, gpu=name), f"gpu {name} like {like} {{ memory = {match[1]} {unit} }}\n"


def composed(words: Words, *, name: str, objective: bool = True, seen_from: Path = Path(), more: str = "") -> str:
    """Return the plan that the words of a command line mean; exit with what is wrong with them.

    A model's file is named as seen from a folder, the one where the plan is to lie; `more` are further declarations.
    """
    text = _composed(words, name=name, objective=objective, seen_from=seen_from)
    return text.replace("\n\n", f"\n\n{more}\n", 1) if more else text


def _composed(words: Words, *, name: str, objective: bool, seen_from: Path) -> str:
    if not (exists(words.model) and is_model(words.model)):
        if words.approximate:
            raise typer.BadParameter("it goes with a model's file; the catalog is exact", param_hint="--approximate")
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
        raise typer.BadParameter(reason, param_hint=option) from None
    return text.replace("\n\n", f"\n\n{declaration}\n", 1) if declaration else text


def load_composed(text: str) -> Loaded:
    """Return a composed plan as it was read; exit where an option says what there is not."""
    loaded = load_plan(PLACE, text=text)
    if loaded.problem is None:
        report(loaded.findings, loaded.texts)
        raise typer.Exit(2)
    return loaded


def _known(text: str, catalog: Catalog) -> int | None:
    """Return the longest context of a catalog model; exit where no row has the name, saying what may be meant."""
    from planner.catalog.meant import meant

    model = catalog.find_model(text)
    if isinstance(model, tuple):
        tell(f"error[E0305]: `{text}` is ambiguous: it can be {', '.join(sorted(row.id for row in model))}")
        raise typer.Exit(2)
    if model is None:
        way = meant(text, catalog).question or "`planner catalog list models` shows them; a config.json is read too"
        tell(f"error[E0301]: unknown model `{text}`, and there is no file of that name; {way}")
        raise typer.Exit(2)
    return model.max_context or None


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
            tell(f"error[E0204]: `{text}` holds no model: it has neither a config.json nor one checkpoint")
            raise typer.Exit(2)
        return "config", str(path / "config.json")
    return ("checkpoint" if path.name.endswith(FILES) else "config"), text
