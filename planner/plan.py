"""Reading a plan: its text, what it imports, the problem it states, and all that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from planner.diagnostics import Diagnostic
from planner.record import dataclass

if TYPE_CHECKING:
    from planner.catalog.catalog import Catalog
    from planner.diagnostics import Span
    from planner.language.problem import Problem
    from planner.syntax.tree import File, Relation


@dataclass(frozen=True, slots=True)
class Loaded:
    """A plan as it was read: the problem is None where it has errors; `file` has the items of its imports too.

    `findings` are those that the plan does not allow, `allowed` those that it does.
    """

    problem: Problem | None
    catalog: Catalog
    findings: tuple[Diagnostic, ...]
    texts: dict[str, str]
    file: File | None = None
    allowed: tuple[Diagnostic, ...] = ()

    def __repr__(self) -> str:
        errors = sum(item.is_error for item in self.findings)
        blocks = [item.name for item in self.problem.workloads] if self.problem is not None else []
        said = f"workloads {', '.join(blocks)}" if blocks else f"{errors} error{'s' * (errors != 1)}"
        return f"<Plan: {next(iter(self.texts), '')}, {said}>"


def is_shared(loaded: Loaded) -> bool:
    """Return whether a file only declares what plans import: nothing is wrong with it but that it has no workload."""
    from planner.lint.names import is_library

    errors = [item for item in loaded.findings if item.is_error]
    return loaded.file is not None and is_library(loaded.file) and [item.code for item in errors] == ["E0404"]


Shipped = tuple["Catalog", tuple[Diagnostic, ...]]


def shipped_catalog() -> Shipped:
    """Return the shipped catalogs and what is wrong with them, to be read once for many plans."""
    from planner.catalog.load import load

    return load()


def load_plan(
    path: str,
    settings: tuple[str, ...] = (),
    shipped: Shipped | None = None,
    text: str | None = None,
    unsaved: Mapping[str, str] | None = None,
) -> Loaded:
    """Read and resolve a plan; `settings` are `workload.quantity=value` overrides, `text` stands for the file's.

    Beside a `text`, `unsaved` are those of files that it may import, by their real paths.
    """
    from planner.language.imports import load, load_text
    from planner.lint.allow import allowed

    catalog, broken = shipped or shipped_catalog()
    file, findings, texts = load(path) if text is None else load_text(text, path, unsaved)
    if file is None:
        return Loaded(None, catalog, (*broken, *findings), texts)
    if settings:
        file, mistakes = _override(file, settings)
        findings = (*findings, *mistakes)
        texts |= {f"--set {setting}": setting for setting in settings}
    problem, more = _resolved(file, catalog, texts)
    reported = (*broken, *findings, *_of_their_own(more, findings, file, texts))
    if any(item.is_error for item in reported):
        problem = None
    kept, _ = allowed(reported, texts)
    shown = set(kept)
    return Loaded(problem, catalog, kept, texts, file, tuple(item for item in reported if item not in shown))


def _resolved(file: File, catalog: Catalog, texts: dict[str, str]) -> tuple[Problem | None, tuple[Diagnostic, ...]]:
    """Return the problem that a file states; where it offers several models, with the other problems beside it."""
    from planner.language.resolve import resolve

    if not _offers_models(file):
        return resolve(file, catalog, texts=texts)
    from planner.language.offered import between_models, together, written_apart

    files, apart = written_apart(file)
    every = [resolve(one, catalog, texts=texts) for one in files]
    more = tuple(dict.fromkeys((*apart, *(item for _, findings in every for item in findings))))
    problems = [problem for problem, _ in every if problem is not None]
    if len(problems) < len(every) or apart:
        return None, more
    whole = together(problems)
    return whole, (*more, *between_models(whole))


def _offers_models(file: File) -> bool:
    """Return whether a block says `model in`."""
    from planner.syntax.tree import Declaration

    bodies = (item.body for item in file.items if isinstance(item, Declaration))
    return any(line.operator == "in" and line.target.text == "model" for body in bodies for line in body)


def _of_their_own(
    findings: tuple[Diagnostic, ...], before: tuple[Diagnostic, ...], file: File, texts: Mapping[str, str]
) -> tuple[Diagnostic, ...]:
    """Return the findings that no other mistake explains: what is missing may stand in what could not be read."""
    from bisect import bisect_left

    from planner.syntax.tree import Declaration

    broken = [item.span for item in before if item.is_error and item.span is not None]
    starts = sorted(span.start for span in broken if span.path == file.path)

    def hurt(span: Span) -> bool:
        at = bisect_left(starts, span.start)
        return at < len(starts) and starts[at] <= span.end

    places = [item.span for item in file.items if hurt(item.span)]
    kinds = {item.kind_span: item.name for item in file.items if isinstance(item, Declaration)}
    unread = file.unread.union(*(_unread(item, kinds, file) for item in findings if item.span is not None))

    def explained(item: Diagnostic) -> bool:
        if item.span is None:
            return False
        if item.span.path == file.path and item.span.start in starts:
            return True  # what it is about is itself the mistake
        if item.code == "E0301" and item.span not in kinds:
            words = texts.get(item.span.path, "")[item.span.start : item.span.end].split(".")
            return "" in unread or any(".".join(words[:count]) in unread for count in range(1, len(words) + 1))
        if item.code != "E0404" or item.span.path != file.path:
            return False
        nothing = item.span.end == 0  # the plan has no workload
        return bool(broken) if nothing else any(span.start <= item.span.start <= span.end for span in places)

    return tuple(item for item in findings if not explained(item))


def _unread(item: Diagnostic, kinds: Mapping[Span, str], file: File) -> frozenset[str]:
    """Return the names that an unknown kind of declaration or a broken catalog was to bring; "" for any name."""
    from planner.language.imports import brought
    from planner.syntax.tree import Import

    if item.span is None or item.code not in ("E0203", "E0301"):
        return frozenset()
    if item.code == "E0301":
        return frozenset({kinds[item.span]} if item.span in kinds else ())
    path = item.span.path
    return frozenset().union(*(brought(one) for one in file.items if isinstance(one, Import) and one.path == path))


def _override(file: File, settings: tuple[str, ...]) -> tuple[File, tuple[Diagnostic, ...]]:
    """Return the file with the relations of `--set` in place of its own."""
    from planner.language.override import override, read_setting

    relations: list[Relation] = []
    out: list[Diagnostic] = []
    for setting in settings:
        relation, mistakes = read_setting(setting)
        out += mistakes
        if relation is not None:
            relations.append(relation)
    file, more = override(file, relations)
    return file, (*out, *more)
