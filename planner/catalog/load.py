"""Finding the catalogs and opening them."""

from __future__ import annotations

from pathlib import Path

from planner.catalog.catalog import KINDS, Catalog
from planner.diagnostics.diagnostic import Diagnostic, Span, error


def catalog_folder() -> Path:
    """Return the folder of the shipped catalogs: of the checkout, else of the installed wheel."""
    here = Path(__file__).resolve()
    checkout = here.parents[2] / "catalogs"
    return checkout if (checkout / "gpus.yaml").is_file() else here.parents[1] / "_data" / "catalogs"


def load(folder: Path | None = None) -> tuple[Catalog, tuple[Diagnostic, ...]]:
    """Return the catalogs of a folder and what is wrong with it; files are read when first asked for."""
    catalog = Catalog(folder or catalog_folder())
    missing = [kind for kind in KINDS if not (catalog.folder / f"{kind}.yaml").is_file()]
    return catalog, tuple(_absent(catalog.folder / f"{kind}.yaml") for kind in missing)


def _absent(path: Path) -> Diagnostic:
    return error("E0203", f"there is no {path.name}", Span(str(path), 0, 0, 1, 1))
