"""Docker Compose: one machine's servers (docs.docker.com/reference/compose-file)."""

from __future__ import annotations

from typing import Any

from planner.export.around.names import label
from planner.export.documents import yaml_text
from planner.export.engines.program import Program
from planner.export.faults import Unsayable
from planner.export.locked import LockedWorkload


def faults(answer: LockedWorkload, program: Program) -> list[Unsayable]:
    """Return what of an answer Docker Compose cannot say."""
    out = []
    if program.hosts > 1:
        reason = f"Docker Compose starts one machine, and a replica spans {program.hosts}"
        out.append(Unsayable("nodes", reason, "export to kubernetes, which starts several hosts as one replica"))
    if answer.vendor not in DRIVERS:
        reason = f"Docker Compose reserves no GPUs of {answer.vendor}"
        out.append(Unsayable("gpu", reason, "export the command, --to vllm, and start its container by hand"))
    if not answer.placed:
        reason = (
            f"`{answer.name}` may share a machine with {', '.join(answer.beside)}, and its GPUs there are not locked"
        )
        out.append(Unsayable("offer", reason, "export to kubernetes, or offer each workload machines of its own"))
    return out


DRIVERS = ("nvidia",)
"""Makers whose devices a reservation can name; AMD's are mounted by path, which differs between hosts."""


def render(answer: LockedWorkload, program: Program) -> str:
    """Return the file of one machine: each replica of each copy has GPUs and a port of its own."""
    servers = answer.together * answer.on_a_machine
    services = {
        f"{label(answer.name)}-{number + 1}" if servers > 1 else label(answer.name): _service(answer, program, number)
        for number in range(servers)
    }
    return yaml_text([{"name": label(answer.name), "services": services}])


def _service(answer: LockedWorkload, program: Program, number: int) -> dict[str, Any]:
    first, port = answer.first + number * program.gpus, program.port
    return {
        "image": program.image,
        "entrypoint": list(program.entry),
        "command": [_literal(word) for word in program.arguments()],
        "environment": {"HF_TOKEN": "${HF_TOKEN:-}", **{name: _literal(value) for name, value in program.environment}},
        "ports": [f"{port + answer.first + number}:{port}"],
        "ipc": "host",
        "restart": "unless-stopped",
        "deploy": {
            "resources": {
                "reservations": {
                    "devices": [
                        {
                            "driver": "nvidia",
                            "device_ids": [str(gpu) for gpu in range(first, first + program.gpus)],
                            "capabilities": ["gpu"],
                        }
                    ]
                }
            }
        },
    }


def _literal(word: str) -> str:
    """Return a word in which Compose replaces nothing."""
    return word.replace("$", "$$")
