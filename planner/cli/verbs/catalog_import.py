"""`planner catalog import`: a price list as a catalog of offers, from a file or, when asked, from the network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from planner.cli.screen import say, tell

if TYPE_CHECKING:
    from planner.catalog.prices.shared import PriceImport, Reader
    from planner.catalog.reading.table import RowTable


@dataclass(frozen=True, slots=True)
class _List:
    """A price list to read: the file, what it is called, the day it says it is of, and the provider by its place."""

    path: Path
    called: str
    day: str
    cloud: str


def import_(
    file: str = typer.Argument(
        ..., metavar="FILE|CLOUD", help="The CSV file: vms.csv of SkyPilot, CLOUD.csv of gpuhunt; a cloud with --fetch."
    ),
    source: str = typer.Option(..., "--from", help="skypilot or gpuhunt."),
    fetch: bool = typer.Option(False, "--fetch", help="Read the list that is published of a cloud: aws."),
    url: str = typer.Option("", "--url", help="With --fetch: where such lists are published, if elsewhere."),
    cloud: str = typer.Option("", "--cloud", help="The provider; else the file's folder or name says it."),
    region: str = typer.Option("", "--region", help="Take one region only."),
    as_of: str = typer.Option("", "--as-of", help="The day of the prices; else the day the file was written or read."),
    output: Path = typer.Option(Path("offers.yaml"), "--output", "-o", help="The catalog of offers to write."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show the difference, and write nothing."),
) -> None:
    """Turn a price list into a catalog of offers: the difference first, then the file. --fetch uses the network."""
    from planner.catalog.dates import first_day
    from planner.catalog.load import load
    from planner.catalog.prices.difference import difference, kind_of, render
    from planner.catalog.prices.gpuhunt import read_gpuhunt
    from planner.catalog.prices.shared import text
    from planner.catalog.prices.skypilot import read_skypilot
    from planner.diagnostics.concise import render as said

    readers: dict[str, Reader] = {"skypilot": read_skypilot, "gpuhunt": read_gpuhunt}
    if source not in readers:
        raise _fail(f"no source `{source}`; there are {', '.join(readers)}")
    if kind_of(output) != "offers":
        raise _fail(f"end the name of `{output}` with offers.yaml, so that a plan can import it")
    if as_of and first_day(as_of) is None:
        raise _fail(f"`--as-of {as_of}` is not a date; write 2026-07-20, 2026-07 or 2026-H1")
    if url and not fetch:
        raise typer.BadParameter("it goes with --fetch", param_hint="--url")
    catalog = load()[0]
    with _listed(file, source, fetch, url) as taken:
        name, day = cloud or taken.cloud, as_of or taken.day
        try:
            price_import = readers[source](taken.path, catalog, name, day, region or None)
        except (OSError, ValueError) as problem:
            reason = getattr(problem, "strerror", None) or problem
            raise _fail(f"`{taken.called}` cannot be imported: {reason}") from None
        if price_import.findings:
            say(said(_placed(price_import, taken)), err=True)
    if not price_import.rows:
        raise _fail(f"`{taken.called}` has no offer that can be taken" + (f" in {region}" if region else ""))
    table: Any = table_of(output, "offers") if output.is_file() else catalog.offers
    rows = {key: table.row(key) for key in table}
    if not output.is_file():  # of the shipped rows, those the list could have said again
        rows = {key: row for key, row in rows.items() if row["provider"] == name and region in ("", row["region"])}
    changes = difference(rows, {row["id"]: row for row in price_import.rows})
    say(render(changes))
    tell(
        f"{len(price_import.rows)} offers of {name} as of {day}, {price_import.skipped} lines left out,"
        f" sha256 {price_import.digest}",
        err=False,
    )
    if not dry_run:
        about = f"Offers of {name}, from {source} {taken.called}, sha256 {price_import.digest}"
        _write(output, text(price_import.rows, day, about))


def _fail(message: str) -> typer.Exit:
    tell(message)
    return typer.Exit(2)


@contextmanager
def _listed(file: str, source: str, fetch: bool, url: str) -> Iterator[_List]:
    """Yield the price list: a file that is there, or one read from the network, which is gone afterwards."""
    from datetime import UTC, datetime
    from tempfile import TemporaryDirectory

    if not fetch:
        path = Path(file)
        try:
            day = datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
        except (OSError, ValueError) as problem:
            raise _fail(f"`{file}` cannot be imported: {getattr(problem, 'strerror', None) or problem}") from None
        yield _List(path, path.name, day, path.resolve().parent.name if source == "skypilot" else path.stem)
        return
    from planner.catalog.prices.network import NetworkError
    from planner.catalog.stored.published import published

    try:
        published_list = published(source, file, url)
    except (NetworkError, ValueError) as problem:
        raise _fail(f"error[E0207]: {problem}") from None
    with TemporaryDirectory(prefix="planner-") as folder:
        path = Path(folder) / published_list.name
        path.write_bytes(published_list.raw)
        yield _List(path, published_list.address, published_list.day or datetime.now(UTC).date().isoformat(), file)


def _placed(price_import: PriceImport, taken: _List) -> tuple[Any, ...]:
    """Return the findings about a list under its own name."""
    named = str(taken.path)
    return tuple(
        replace(item, span=replace(item.span, path=taken.called if item.span.path == named else item.span.path))
        if item.span is not None and taken.called != taken.path.name
        else item
        for item in price_import.findings
    )


def table_of(path: Path, kind: str) -> RowTable[Any]:
    """Return the rows of a user's catalog file; exits where it does not hold."""
    from planner.catalog import build
    from planner.catalog.reading.table import RowTable, read_sheet

    make: Any = getattr(build, f"build_{'recovery' if kind == 'quality' else kind.removesuffix('s')}")
    table: RowTable[Any] = RowTable(read_sheet(path, kind, make), make)
    if table.findings:
        from planner.diagnostics.concise import render

        say(render(table.findings), err=True)
        raise typer.Exit(2)
    return table


def _write(path: Path, content: str) -> None:
    """Write a file whole or not at all."""
    import os
    import tempfile

    try:
        handle, temporary = tempfile.mkstemp(dir=path.resolve().parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(content)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as problem:
        raise _fail(f"`{path}` cannot be written: {problem.strerror}") from None
    tell(f"wrote {path}")
