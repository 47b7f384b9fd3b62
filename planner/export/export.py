"""A lock's workloads written in one form: the texts of the files by their names, or what has no form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePath

from planner.diagnostics import Diagnostic, Span
from planner.diagnostics.diagnostic import error
from planner.export import serving, training
from planner.export.faults import Unsayable, beyond_config
from planner.export.forms import FORMS, Target
from planner.export.header import file_name
from planner.export.locked import LockedWorkload, of_lock
from planner.language.copies import block_of
from planner.lock.read import Lock


def export(
    lock: Lock,
    plan: str,
    names: Iterable[str],
    form: Target,
    places: Mapping[str, Span],
    published: Callable[[str, str], Sequence[str]] = lambda name, weights: (),
    limit: Callable[[str], tuple[str, int | None]] = lambda name: ("", None),
) -> tuple[dict[str, str], tuple[Diagnostic, ...]]:
    """Return a file for each of these workloads, by its name, and an E0806 for each setting that has no form.

    `places` are those of the plan's lines, by `workload.quantity`, and of its blocks, by `workload`. The texts follow
    from the lock alone, and from what the plan's file is called. `published` are checkpoints of a workload's model in a
    format, for the help of a finding; `limit` is a workload's engine by name, and the longest context that it starts
    with, None where it takes any.
    """
    files: dict[str, str] = {}
    findings: list[Diagnostic] = []
    for name in names:
        answer = of_lock(lock, PurePath(plan).name, name)
        room = serving if answer.kind == "inference" else training
        faults = list(_unsaid(answer, form, lock, plan)) or [
            *beyond_config(answer, *limit(name)),
            *room.faults(answer, form),
        ]
        if faults:
            findings += [_findings(answer, fault, places, published) for fault in faults]
        else:
            files[f"{file_name(name)}{form.suffix}"] = room.render(answer, form)
    return files, tuple(findings)


def _unsaid(answer: LockedWorkload, form: Target, lock: Lock, plan: str) -> Iterable[Unsayable]:
    """Yield why a workload is none of the form's, or its lock says too little."""
    if not answer.given:
        reason = f"{lock.path} is of a format that did not say every setting yet"
        yield Unsayable("", reason, f"run `planner solve {plan}`, and review the new lock")
        return
    program = answer.engine or answer.word("framework")
    if program in form.of(answer.kind):
        return
    others = [item.name for item in FORMS if program in item.of(answer.kind)]
    setting = "engine" if answer.kind == "inference" else "framework"
    work = "" if form.of(answer.kind) or program not in form.programs else f"an {answer.kind} by "
    reason = f"`{form.name}` is {form.doc}, and the answer is of {work or f'{setting} = '}{program}"
    if others:
        yield Unsayable(setting, reason, f"export it --to {', '.join(others)}")
    else:
        yield Unsayable(setting, reason, f"no form is there for {program} yet; `planner export` lists them")


def _findings(
    answer: LockedWorkload, fault: Unsayable, places: Mapping[str, Span], published: Callable[[str, str], Sequence[str]]
) -> Diagnostic:
    block = block_of(answer.name)
    span = places.get(f"{block}.{fault.quantity}", places.get(block))
    subject = f"{answer.name}.{fault.quantity}" if fault.quantity else answer.name
    names = published(answer.name, answer.word("weights")) if fault.quantity == "weights" else ()
    help = f'{fault.help}: model = "{names[0]}"' if names else fault.help
    return error("E0806", f"{subject}: {fault.reason}", span, help=help)
