"""One day for all tests: `check` looks at the date, to warn of prices older than 90 days."""

from __future__ import annotations

import os

os.environ["SOURCE_DATE_EPOCH"] = "1756684800"  # 1 September 2025, when no price of the catalogs is old
