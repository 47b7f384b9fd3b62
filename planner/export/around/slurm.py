"""Slurm: a script for `sbatch` that starts a program on every node of a job (slurm.schedmd.com/sbatch.html).

A task a node, with its GPUs; copies and replicas are an array of jobs. Times and memory are options of the job, since
a partition's own are seldom what a run takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

from planner.export import shell
from planner.export.around.kubernetes import Joined
from planner.export.around.names import label
from planner.export.engines.program import Option, Program
from planner.export.faults import Unsayable
from planner.export.locked import LockedWorkload
from planner.export.trainers import run

RANK, LEADER = '"$SLURM_NODEID"', '"$leader"'
"""A node's number in the job, from 0, and the first node's name."""
MEETING = (
    'leader="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p)"',
    "port=$((20000 + SLURM_JOB_ID % 10000))",
    "export leader port",
)
"""Where the nodes of a job meet: a port of its own on the first, since jobs may share that."""
TRAIN = "train"
"""What starts a node's ranks of the script that is named behind the file."""
HOUR = 3600
SHELL = "#!/bin/bash\n"
"""The first line: functions are exported to steps, which a POSIX shell does not do."""


def faults(answer: LockedWorkload, program: Program) -> list[Unsayable]:
    """Return what of a service a script for Slurm cannot say."""
    if answer.vendor in ("nvidia", "amd"):
        return []
    reason = f"Slurm finds no GPUs of {answer.vendor} by itself, so their names are the cluster's"
    return [Unsayable("gpu", reason, "choose a GPU of nvidia or amd, or write the script by hand")]


def training_faults(answer: LockedWorkload) -> Iterator[Unsayable]:
    """Yield what of a training a script for Slurm cannot say."""
    gpus, hosts = answer.count("gpus"), run.hosts(answer)
    if gpus % hosts:
        reason = f"{gpus} GPUs on {hosts} machines are not the same number on each, which Slurm asks for"
        yield Unsayable("gpus", reason, f"set gpus to a multiple of {hosts}")


def service(answer: LockedWorkload, program: Program, joined: Joined) -> str:
    """Return the script of a replica; an array of them where there are several, each with a port of its own."""
    servers = answer.copies * answer.replicas
    ports = f"{program.port + answer.first}"
    port = f'"$(({ports} + SLURM_ARRAY_TASK_ID))"' if servers > 1 else ports
    if servers > 1 or answer.first:
        others = tuple(option for option in program.options if option[0] != "--port")
        program = replace(program, options=(*others, ("--port", port)))
    body, more = [], []
    if program.hosts > 1:
        first = joined(RANK, LEADER, first=True)
        rest = [name for name, _ in joined(RANK, LEADER, first=False)[len(first) :]]
        program = replace(program, options=(*program.options, *first))
        if rest:  # what only hosts that serve no requests have
            body = ["more=()", f'[ "$SLURM_NODEID" = 0 ] || more=({" ".join(rest)})']
            more = ['"${more[@]}"']
    return _script(
        answer,
        (program.hosts, program.gpus_per_host),
        servers,
        None,
        [*shell.exports(program), *body, *shell.command(program, more)],
        "serve",
    )


def launched(answer: LockedWorkload, words: Iterable[str]) -> str:
    """Return the script of a training: `words` start its ranks on a node, as a shell reads them."""
    hosts = run.hosts(answer)
    nodes, limit = (hosts, answer.count("gpus") // hosts), answer.outcome("duration_safe")
    return _script(answer, nodes, answer.copies, limit, list(words), TRAIN)


def torchrun(answer: LockedWorkload) -> list[str]:
    """Return the options of `torchrun` on a node: one rank for each GPU, which meet at the first node."""
    hosts = run.hosts(answer)
    options: tuple[Option, ...] = (
        ("--nnodes", str(hosts)),
        ("--nproc-per-node", str(answer.count("gpus") // hosts)),
        ("--rdzv-backend", "c10d"),
        ("--rdzv-id", '"$SLURM_JOB_ID"'),
        ("--rdzv-endpoint", '"$leader:$port"'),
    )
    return shell.options(options)


def accelerate(file: str) -> list[str]:
    """Return the options of `accelerate launch` on a node: its configuration says how many ranks there are."""
    options: tuple[Option, ...] = (("--machine_rank", RANK), ("--main_process_ip", LEADER))
    return [f"--config_file {file}", *shell.options(options), '--main_process_port "$port"']


def duration(seconds: Fraction) -> str:
    """Return a limit of time as `--time` takes it: whole hours, one of them for loading and saving."""
    hours = -(-seconds // HOUR) + 1
    return f"{hours // 24}-{hours % 24:02}:00:00" if hours >= 24 else f"{hours:02}:00:00"


def _script(
    answer: LockedWorkload, nodes: tuple[int, int], jobs: int, limit: Fraction | None, body: list[str], name: str
) -> str:
    hosts, gpus = nodes
    whole = answer.sold_by == "instance" and gpus == answer.offered
    options = [
        f"job-name={label(answer.name)}",
        f"nodes={hosts}",
        "ntasks-per-node=1",
        f"gpus-per-node={gpus}",
        *(("exclusive", "mem=0") if whole else ()),
        *((f"time={duration(limit)}",) if limit is not None else ()),
        *((f"array=0-{jobs - 1}",) if jobs > 1 else ()),
    ]
    started = f'\'{name} "$@"\' {name} "$@"' if name == TRAIN else name
    lines = [
        *(f"#SBATCH --{option}" for option in options),
        "set -euo pipefail",
        *(MEETING if hosts > 1 or name == TRAIN else ()),
        f"{name}() {{",
        *(f"  {line}" for line in body),
        "}",
        f"export -f {name}",
        # a step has the CPUs of a task, one unless it says how many
        f'srun --cpus-per-task="$SLURM_CPUS_ON_NODE" --kill-on-bad-exit=1 bash -c {started}',
    ]
    return "".join(f"{line}\n" for line in lines)
