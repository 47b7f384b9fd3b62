"""How the pages under docs/ become a site: `sphinx-build -W docs site`, with the extra `docs` installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from highlight import MemLexer  # noqa: E402
from reference import write  # noqa: E402

from planner import __version__  # noqa: E402

project = "planner"
author = "the planner authors"
release = version = __version__
extensions = ["myst_parser"]
html_theme = "furo"
html_title = f"planner {__version__}"
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nitpicky = True


def setup(app: Any) -> None:
    """Write the generated pages before they are read, and teach the highlighter the language."""
    app.add_lexer("mem", MemLexer)
    app.connect("builder-inited", lambda app: write(Path(app.srcdir) / "generated"))
