"""One day for all tests, which `check` looks at to warn of old prices; no progress on a busy machine; one choice.

The suite draws the same examples each time, so a change that is not at fault never fails; `pytest
--hypothesis-profile=explore` draws new ones, as `tests/fuzz.py` and `tests.oracle --seeds` do.
"""

from __future__ import annotations

import os

os.environ["SOURCE_DATE_EPOCH"] = "1756684800"  # 1 September 2025, when no price of the catalogs is old

from hypothesis import settings

from planner.cli import progress

progress.PATIENCE = 3600.0  # what is printed must not depend on how fast the machine is

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("repeatable")
