"""One day for all tests, which `check` looks at to warn of old prices; no progress on a busy machine; one choice.

The suite draws the same examples each time, so a change that is not at fault never fails; `pytest
--hypothesis-profile=explore` draws new ones, as `tests/fuzz.py` and `tests.oracle --seeds` do.
"""

from __future__ import annotations

import gc
import os

os.environ["SOURCE_DATE_EPOCH"] = "1756684800"  # 1 September 2025, when no price of the catalogs is old

import pytest
from hypothesis import settings

from planner.cli import progress
from planner.solve import sensitivity

gc.set_threshold(100_000)  # as a command has it
progress.PATIENCE = 3600.0  # what is printed must not depend on how fast the machine is

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("repeatable")


@pytest.fixture
def without_margins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `why` not solve each plan again for what would change its answer, where a test is about something else."""
    monkeypatch.setattr(sensitivity, "margins", lambda *_: None)
