"""The comment that begins a file: what it follows from, and how it is started."""

from __future__ import annotations

import os
from collections.abc import Iterable

from planner.diagnostics.shown import shown
from planner.export.forms import Target
from planner.export.locked import LockedWorkload
from planner.language.copies import MARK

ENGINES = {"vllm": "vLLM", "sglang": "SGLang", "llama_cpp": "llama.cpp", "tensorrt_llm": "TensorRT-LLM"}
"""What engines are called."""


def lines(answer: LockedWorkload, form: Target, notes: Iterable[str]) -> list[str]:
    """Return the lines of the comment, without the marks of one."""
    program = answer.engine or answer.word("framework")
    release = f"{ENGINES.get(program, program)} {answer.version}".strip()
    hardware = f"{answer.count('gpus')} x {answer.word('gpu')}"
    return [
        shown(line)
        for line in (
            f"{answer.name} of {answer.plan}, written by `planner export --to {form.name}`: "
            "the same lock, the same file.",
            f"lock      {answer.checksum} (planner {answer.planner})",
            f"for       {release} on {hardware}",
            f"offer     {answer.word('offer')}, {answer.word('market')}, {answer.instances} of it",
            *([f"copies    {answer.copies:_}: {_copies(answer, form)}"] if answer.copies > 1 else []),
            *([f"traffic   {_traffic(answer)}"] if answer.rate else []),
            *notes,
        )
    ]


def _traffic(answer: LockedWorkload) -> str:
    """Return what a part of a mix serves, which what stands in front of it has to send there."""
    return f"{answer.rate:.4g} req/s, of the sizes that the lock says: a router sends them here"


def _copies(answer: LockedWorkload, form: Target) -> str:
    """Return how often a file of several copies is started, and what those that share a machine must not share."""
    if form.name == "compose" and answer.together > 1:
        return f"{answer.together:_} a machine, this file on {-(-answer.copies // answer.together):_}"
    apart = ", each with GPUs and a port of its own where they share a machine" if answer.beside else ""
    return f"start this file that many times{apart}"


def commented(answer: LockedWorkload, form: Target, notes: Iterable[str]) -> str:
    """Return the comment of a file whose comments begin with `#`."""
    return "".join(f"# {line}\n" for line in lines(answer, form, notes))


def file_name(workload: str) -> str:
    """Return a workload's name as the beginning of a file's."""
    return workload.replace(os.sep, "_").replace(MARK, "-")
