"""Places as editors count them: lines from 0, columns in the units that client and server agreed on."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Literal

Encoding = Literal["utf-8", "utf-16", "utf-32"]
_END = re.compile(r"\r\n|\n|\r")
"""What ends a line in the protocol: not all that `str.splitlines` cuts at."""


class Lines:
    """A text's lines, to turn offsets into positions and back."""

    def __init__(self, text: str, encoding: Encoding = "utf-16") -> None:
        """Take the text, and the units that columns are counted in."""
        self.text, self.encoding = text, encoding
        self.starts = [0, *(match.end() for match in _END.finditer(text))]

    def position(self, offset: int) -> tuple[int, int]:
        """Return the line and column of an offset in characters, the text's end for one beyond it."""
        offset = max(0, min(offset, len(self.text)))
        line = bisect_right(self.starts, offset) - 1
        return line, self._units(self.text[self.starts[line] : offset])

    def offset(self, line: int, column: int) -> int:
        """Return the offset of a position; a column beyond the end of its line is that end."""
        if line >= len(self.starts):
            return len(self.text)
        start = self.starts[line]
        end = self.starts[line + 1] if line + 1 < len(self.starts) else len(self.text)
        row = _END.sub("", self.text[start:end])
        units = 0
        for at, char in enumerate(row):
            if units >= column:
                return start + at
            units += self._units(char)
        return start + len(row)

    def _units(self, text: str) -> int:
        match self.encoding:
            case "utf-8":
                return len(text.encode("utf-8", "surrogatepass"))
            case "utf-16":
                return len(text.encode("utf-16-le", "surrogatepass")) // 2
            case _:
                return len(text)
