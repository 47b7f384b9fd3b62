"""`planner fix`: what lints find and can mend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from planner.cli.files import plans
from planner.cli.plan import Loaded, Shipped, load_plan, report, shipped_catalog, unreadable
from planner.cli.screen import say, tell
from planner.review import review
from planner.syntax.files import STDIN

if TYPE_CHECKING:
    from planner.diagnostics import Diagnostic

ROUNDS = 100
"""A fix may bring up another finding, as a name that only an unused name used; more rounds than this are none."""


def fix(
    paths: list[str] = typer.Argument(..., metavar="PATH...", help="Plan files, or folders of them."),
    unsafe: bool = typer.Option(False, "--unsafe", help="Also fixes that change what the plan means, as 8k to 8Ki."),
    diff: bool = typer.Option(False, "--diff", help="Write nothing; print what would change, exit 1 where it would."),
) -> None:
    """Mend what `check` finds and can be mended safely: what a plan means stays the same."""
    shipped = shipped_catalog()
    worst = fixed = left = 0
    for path in plans(paths):
        loaded = load_plan(path, shipped=shipped)
        if loaded.file is None or (loaded.problem is None and any(item.is_error for item in review(path, loaded))):
            report(loaded.findings, loaded.texts)
            worst = max(worst, 2 if unreadable(loaded) else 1)
            continue
        text, done, more = _mend(path, loaded, shipped, unsafe)
        fixed, left = fixed + len(done), left + more
        if path in STDIN and not diff:
            say(text, end=False)
        elif text != loaded.texts[path]:
            worst = max(worst, _write(path, loaded.texts[path], text, diff))
    words = f"{fixed} finding{'s' * (fixed != 1)} {'to fix' if diff else 'fixed'}"
    tell(words + (f", {left} more with --unsafe" if left else ""))
    raise typer.Exit(worst)


def _mend(path: str, loaded: Loaded, shipped: Shipped, unsafe: bool) -> tuple[str, list[Diagnostic], int]:
    """Return the text with its fixes, what they mend, and how many findings only unsafe fixes would.

    All fixes of a round are tried at once, and one by one where together they would change what the plan means.
    """
    text, done, now = loaded.texts[path], [], loaded
    for _ in range(ROUNDS):
        findings = review(path, now)
        for some in (findings, *((item,) for item in findings if item.fix)):
            step = _step(path, text, some, loaded, shipped, unsafe)
            if step is not None:
                break
        else:
            break
        text, mended, now = step
        done += mended
    more = sum(item.fix is not None and not item.fix.safe for item in review(path, now))
    return text, done, more


def _step(
    path: str, text: str, findings: tuple[Diagnostic, ...], loaded: Loaded, shipped: Shipped, unsafe: bool
) -> tuple[str, list[Diagnostic], Loaded] | None:
    from planner.lint.fix import apply, means_the_same

    fixed, mended = apply(text, path, findings, unsafe)
    if not mended:
        return None
    then = load_plan(path, shipped=shipped, text=fixed)
    if (then.problem is None) != (loaded.problem is None):
        return None
    if not unsafe and loaded.problem and then.problem and not means_the_same(loaded.problem, then.problem):
        return None
    return fixed, mended, then


def _write(path: str, old: str, new: str, diff: bool) -> int:
    if diff:
        from planner.cli.verbs.fmt import difference

        say(difference(old, new, path, "fixed"), end=False)
        return 1
    from planner.syntax.files import write

    try:
        write(path, new)
    except OSError as reason:
        tell(f"error[E0005]: {path} cannot be written: {reason.strerror}; it stays as it is")
        return 2
    return 0
