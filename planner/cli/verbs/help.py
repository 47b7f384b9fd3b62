"""`planner help [VERB]`: what `planner VERB --help` shows."""

from __future__ import annotations

import typer


def help(words: list[str] = typer.Argument(None, metavar="[VERB]", help="A verb; without one, all of them.")) -> None:
    """Show the help of a verb, or the list of verbs."""
    from planner.cli.main import VERBS, command_line

    asked = [word for word in words or () if not word.startswith("-")]
    known = asked[:1] if asked[:1] and asked[0] in VERBS else VERBS
    command_line(known)([*asked, "--help"], prog_name="planner", standalone_mode=False)
