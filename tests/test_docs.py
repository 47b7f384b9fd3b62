"""The pages under docs/ become a site without a warning, and the generated ones leave nothing out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from planner.diagnostics.codes import CODES
from planner.language.schema import BY_KIND

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def generated() -> dict[str, str]:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import reference
    finally:
        sys.path.remove(str(ROOT / "docs"))
    return dict(reference.pages())


def test_every_code_has_its_page(generated: dict[str, str]) -> None:
    for code, row in CODES.items():
        page = generated[f"codes/{code}.md"]
        assert row.title in page and row.why in page and row.instead in page
        assert f"({code}.md)" in generated["codes/index.md"]


def test_every_quantity_is_in_the_reference(generated: dict[str, str]) -> None:
    page = generated["quantities.md"]
    for rows in BY_KIND.values():
        for row in rows.values():
            assert f"| `{row.name}` |" in page


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """A broken link, a page in no contents, or a missing target is a warning, and warnings are errors here."""
    words = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    done = subprocess.run([*words, "docs", str(tmp_path / "site")], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "generated" / "codes" / "E0401.html").exists()
