"""The comment that begins a file: what it follows from, and how it is started."""

from __future__ import annotations

from collections.abc import Iterable

from planner.diagnostics.shown import shown
from planner.export.forms import Target
from planner.export.said import Said

ENGINES = {"vllm": "vLLM", "sglang": "SGLang", "llama_cpp": "llama.cpp", "tensorrt_llm": "TensorRT-LLM"}
"""What engines are called."""


def lines(this: Said, form: Target, notes: Iterable[str]) -> list[str]:
    """Return the lines of the comment, without the marks of one."""
    program = this.engine or this.word("framework")
    release = f"{ENGINES.get(program, program)} {this.version}".strip()
    hardware = f"{this.count('gpus')} x {this.word('gpu')}"
    return [
        shown(line)
        for line in (
            f"{this.name} of {this.plan}, written by `planner export --to {form.name}`: the same lock, the same file.",
            f"lock      {this.checksum} (planner {this.planner})",
            f"for       {release} on {hardware}",
            f"offer     {this.word('offer')}, {this.word('market')}, {this.instances} of it",
            *([f"copies    {this.copies:_}: start it so many times{_apart(this)}"] if this.copies > 1 else []),
            *notes,
        )
    ]


def _apart(this: Said) -> str:
    """Return what copies that share a machine must not share."""
    return ", each with GPUs and a port of its own where they share a machine" if this.beside else ""


def commented(this: Said, form: Target, notes: Iterable[str]) -> str:
    """Return the comment of a file whose comments begin with `#`."""
    return "".join(f"# {line}\n" for line in lines(this, form, notes))
