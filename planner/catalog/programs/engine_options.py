"""What releases of an engine call the settings of a plan: a row for each option, and for each word that one takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from planner.record import dataclass


@dataclass(frozen=True, slots=True)
class EngineOption:
    """An option of an engine for a setting, or the word that it takes for one value of it.

    The id is the engine and the setting, as `vllm/context`; with `.part` where a setting takes several options, with
    `=value` where a value has a word of its own, and with `@release` where another row is of other releases. The option
    is there from the release `since` on, and before `until`, where those are stated.
    """

    id: str
    option: str
    source: str
    value: str = ""
    since: str = ""
    until: str = ""
    note: str = ""

    @property
    def engine(self) -> str:
        """The id of the engine."""
        return self.id.partition("/")[0]

    @property
    def setting(self) -> str:
        """The setting and its part or value, without the engine and the releases."""
        return self.id.partition("/")[2].partition("@")[0]

    def there(self, release: tuple[int, ...]) -> bool:
        """Return whether a release has it."""
        return numbers(self.since) <= release and (not self.until or release < numbers(self.until))


def numbers(release: str) -> tuple[int, ...]:
    """Return the numbers of a release, none for no text."""
    return tuple(int(part) for part in re.findall(r"\d+", release)[:4])


def build_engine_option(row: Mapping[str, Any]) -> EngineOption:
    """Return the record of a row of engine_options.yaml. Raise ValueError where the row contradicts itself."""
    since, until = str(row.get("since") or ""), str(row.get("until") or "")
    if until and numbers(since) >= numbers(until):
        raise ValueError("`since` is not before `until`")
    if ("=" in str(row["id"])) != bool(row.get("value")):
        raise ValueError("an id with `=` has the word of a value, and no other has one")
    return EngineOption(
        id=str(row["id"]),
        option=str(row["option"]),
        source=str(row["source"]),
        value=str(row.get("value") or ""),
        since=since,
        until=until,
        note=str(row.get("note") or ""),
    )
