"""Names as containers and clusters take them."""

from __future__ import annotations

import re


def label(name: str) -> str:
    """Return a workload's name as a label of DNS (RFC 1123): small letters, digits and `-`, at most 63 of them."""
    cleaned = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return cleaned[:63].rstrip("-") or "workload"
