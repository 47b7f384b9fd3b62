"""The forms findings are printed in; a renderer is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from planner.diagnostics.diagnostic import Diagnostic

FORMATS = ("full", "concise", "json", "github", "gitlab", "sarif", "junit")
"""What `--format` takes where findings are printed."""


def render(
    name: str,
    findings: Sequence[Diagnostic],
    texts: Mapping[str, str],
    files: Iterable[str] = (),
    colour: bool = False,
) -> str:
    """Return findings in one of `FORMATS`; `texts` are texts by path, `files` all files that were looked at.

    Only `full`, which is for people, has a look in `colour`.
    """
    match name:
        case "full":
            from planner.diagnostics import full

            return full.render(findings, texts, colour)
        case "concise":
            from planner.diagnostics import concise

            return concise.render(findings)
        case "json":
            from planner.diagnostics import json_

            return json_.render(findings)
        case "github":
            from planner.diagnostics import github

            return github.render(findings, texts)
        case "gitlab":
            from planner.diagnostics import gitlab

            return gitlab.render(findings, texts)
        case "sarif":
            from planner.diagnostics import sarif

            return sarif.render(findings, texts)
        case "junit":
            from planner.diagnostics import junit

            return junit.render(findings, texts, files)
    raise ValueError(f"unknown format `{name}`; choose from {', '.join(FORMATS)}")
