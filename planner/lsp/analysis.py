"""A plan as an editor has it: its text, saved or not, its tree, what its names mean, and all that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from planner.diagnostics import Diagnostic
from planner.diagnostics.diagnostic import error
from planner.plan import Loaded, Shipped, load_plan
from planner.syntax.files import LIMIT
from planner.syntax.parse import parse
from planner.syntax.tokens import Lexeme, Tokens, tokenize
from planner.syntax.tree import File

if TYPE_CHECKING:
    from planner.catalog.catalog import Catalog
    from planner.language.expressions.types import Env


class Analysis:
    """What is known of one state of a plan's text; each part is computed when it is first asked for."""

    def __init__(self, text: str, path: str, shipped: Shipped, unsaved: Mapping[str, str] | None = None) -> None:
        """Take the text and its path; `unsaved` are the texts of files it may import, by their real paths."""
        self.text = text if len(text) <= LIMIT else ""
        self.path = path
        self._whole = len(text) <= LIMIT
        self._shipped, self._unsaved = shipped, unsaved
        self._found: dict[bool, tuple[Diagnostic, ...]] = {}

    @property
    def catalog(self) -> Catalog:
        """The shipped catalogs."""
        return self._shipped[0]

    @cached_property
    def lexed(self) -> Tokens:
        """The tokens and comments."""
        return tokenize(self.text, self.path)

    @property
    def tokens(self) -> list[Lexeme]:
        """The tokens in their order."""
        return self.lexed.tokens

    @cached_property
    def own(self) -> File:
        """The tree of the text itself, without its imports."""
        return parse(self.text, self.path)[0]

    @cached_property
    def loaded(self) -> Loaded:
        """The plan with its imports."""
        return load_plan(self.path, shipped=self._shipped, text=self.text, unsaved=self._unsaved)

    @cached_property
    def env(self) -> Env:
        """What names mean in the plan, as far as it could be read."""
        from planner.language.resolve import names_of

        file = self.loaded.file
        return names_of(self.own if file is None else file, self.catalog, self.loaded.texts)

    @cached_property
    def texts(self) -> dict[str, str]:
        """The texts of the plan, its imports, and its lock where that was looked at."""
        return dict(self.loaded.texts)

    def findings(self, saved: bool) -> tuple[Diagnostic, ...]:
        """Return what `planner check` finds: with the plan's lock where the text is the `saved` one, which alone a lock
        can answer."""
        from planner.review import review

        if not self._whole:
            return (error("E0003", f"`{self.path}` is larger than 10 MiB"),)
        if saved not in self._found:
            self._found[saved] = review(self.path, self.loaded, False if saved else None, self.texts)
        return self._found[saved]
