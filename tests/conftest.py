"""One day for all tests, which `check` looks at to warn of old prices; and no progress on a busy machine."""

from __future__ import annotations

import os

os.environ["SOURCE_DATE_EPOCH"] = "1756684800"  # 1 September 2025, when no price of the catalogs is old

from planner.cli import progress

progress.PATIENCE = 3600.0  # what is printed must not depend on how fast the machine is
