"""`planner catalog fetch`: what a plan needs of a published model, laid beside the plan to be checked in."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from planner.cli.screen import say, tell

if TYPE_CHECKING:
    from planner.catalog.fetch import Fetched


def fetch(
    repository: str = typer.Argument(..., metavar="ORG/MODEL", help="The repository of the model."),
    revision: str = typer.Option("main", help="A branch, a tag or a commit."),
    file: str = typer.Option("", help="One of several GGUF files; the others of a split one come with it."),
    output: Path | None = typer.Option(None, "--output", "-o", help="The folder to write, else the model's name."),
    endpoint: str = typer.Option("", help="The server, where it is another than huggingface_hub's own."),
) -> None:
    """Fetch a model's config, quantization files and tensor headers, without its weights, as files to check in."""
    from planner.catalog.fetch import FetchError
    from planner.catalog.fetch import fetch as read

    folder = output if output is not None else Path(repository.rpartition("/")[2])
    if folder.exists() and not _ours(folder):
        tell(f"error[E0207]: `{folder}` is there and was not fetched; name another folder with --output")
        raise typer.Exit(2)
    try:
        fetched = read(repository, revision, file, endpoint, lambda name: tell(f"reading {name}"))
    except FetchError as problem:
        tell(f"error[E0207]: {problem}")
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        tell("interrupted: nothing was written")
        raise typer.Exit(130) from None
    _write(folder, fetched)
    _said(folder, fetched)


def _ours(folder: Path) -> bool:
    """Return whether a folder is one that was fetched, or empty."""
    from planner.catalog.fetch import RECORD

    return folder.is_dir() and not folder.is_symlink() and ((folder / RECORD).is_file() or not any(folder.iterdir()))


def _write(folder: Path, fetched: Fetched) -> None:
    """Put the files in place as a whole: where something fails the folder stays as it was."""
    parent = folder.resolve().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=parent))
        try:
            for name, raw in fetched.files.items():
                (new / name).write_bytes(raw)
            os.chmod(new, 0o755)
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=parent)) / "old" if folder.exists() else None
            if old is not None:
                os.rename(folder, old)
            try:
                os.rename(new, folder)
            except OSError:
                if old is not None:
                    os.rename(old, folder)
                raise
            finally:
                if old is not None:
                    shutil.rmtree(old.parent, ignore_errors=True)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    except OSError as problem:
        tell(f"error[E0005]: `{folder}` cannot be written: {problem.strerror or problem}")
        raise typer.Exit(2) from None


def _said(folder: Path, fetched: Fetched) -> None:
    """Print what was written, and the line of a plan that reads it."""
    from planner.catalog.fetch import names_of
    from planner.language.compose import quoted

    name = re.sub(r"\W+", "_", fetched.repository.rpartition("/")[2].lower()).strip("_")
    name = f"m_{name}" if not name[:1].isalpha() else name
    tell(f"wrote {folder}: {names_of(fetched.files)} of {fetched.repository} at {fetched.revision}")
    tell("a plan beside it reads it so:")
    path = (folder / fetched.entry).as_posix()
    say(f"model {name} = {fetched.call}({quoted(path)})  # {fetched.repository} at {fetched.revision[:12]}")
