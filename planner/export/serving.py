"""A locked inference as a file of one of the forms, or why it has none."""

from __future__ import annotations

from collections.abc import Callable

from planner.export import shell
from planner.export.around import compose, kubernetes, skypilot, slurm
from planner.export.documents import yaml_text
from planner.export.engines import llama_cpp, sglang, tensorrt_llm, vllm
from planner.export.engines.program import Option, Program
from planner.export.faults import Unsayable
from planner.export.forms import Target
from planner.export.header import commented
from planner.export.locked import LockedWorkload
from planner.record import dataclass


@dataclass(frozen=True, slots=True)
class EngineExport:
    """What an exporter knows of an engine: what it cannot say, its server, and the options of a replica's hosts."""

    faults: Callable[[LockedWorkload], list[Unsayable]]
    program: Callable[[LockedWorkload], Program]
    joined: Callable[..., tuple[Option, ...]]


ENGINES = {
    "vllm": EngineExport(vllm.faults, vllm.program, vllm.joined),
    "sglang": EngineExport(sglang.faults, sglang.program, sglang.joined),
    "llama_cpp": EngineExport(llama_cpp.faults, llama_cpp.program, llama_cpp.joined),
}
RANKS = "NODE_RANK from 0, MASTER_ADDR of the first"
AROUND = {
    "compose": compose.faults,
    "kubernetes": kubernetes.faults,
    "skypilot": skypilot.faults,
    "slurm": slurm.faults,
}


def faults(answer: LockedWorkload, form: Target) -> list[Unsayable]:
    """Return what of an answer the form cannot say."""
    if answer.engine == "tensorrt_llm":
        return tensorrt_llm.faults(answer)
    engine = ENGINES[answer.engine]
    refusals = engine.faults(answer)
    if not refusals and form.name in AROUND:
        refusals = AROUND[form.name](answer, engine.program(answer))
    return refusals


def render(answer: LockedWorkload, form: Target) -> str:
    """Return the text of the file; `faults` must be empty."""
    if answer.engine == "tensorrt_llm":
        return commented(answer, form, tensorrt_llm.notes(answer)) + tensorrt_llm.render(answer)
    engine = ENGINES[answer.engine]
    program = engine.program(answer)
    match form.name:
        case "compose":
            body = compose.render(answer, program)
        case "kubernetes":
            body = kubernetes.render(answer, program, engine.joined)
        case "skypilot":
            body = skypilot.render(answer, program, engine.joined)
        case "slurm":
            head = commented(answer, form, _notes(answer, form, program))
            return f"{slurm.SHELL}{head}{slurm.service(answer, program, engine.joined)}"
        case "vllm-yaml":
            body = _config(program)
        case _:
            body = _script(program, engine)
    return commented(answer, form, _notes(answer, form, program)) + body


def _script(program: Program, engine: EngineExport) -> str:
    more: list[str] = []
    if program.hosts > 1:
        leader = engine.joined('"${NODE_RANK:?}"', '"${MASTER_ADDR:?}"', first=True)
        others = engine.joined("", "", first=False)[len(leader) :]  # what only hosts that serve no requests have
        more = [*shell.options(leader), *(f'$([ "$NODE_RANK" = 0 ] || echo {name})' for name, _ in others)]
    return "".join(f"{line}\n" for line in (*shell.exports(program), *shell.command(program, more)))


def _config(program: Program) -> str:
    """Return vLLM's configuration file: its options by their names, the model beside them."""
    options = {name.removeprefix("--"): True if value is None else _typed(value) for name, value in program.options}
    return yaml_text([{"model": program.words[0], **options}])


def _typed(value: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def _notes(answer: LockedWorkload, form: Target, program: Program) -> list[str]:
    notes = list(program.notes)
    replicas, machine = answer.replicas, answer.on_a_machine
    if form.name == "vllm-yaml":
        variables = " ".join(f"{name}={value}" for name, value in program.environment)
        notes.append(f"start     {variables} vllm serve --config FILE")
    if form.name == "skypilot":
        verb = "sky serve up" if replicas > 1 else "sky launch"
        notes.append(f"start     {verb} --secret HF_TOKEN FILE")
    if form.name == "slurm":
        jobs = answer.copies * replicas
        notes.append("submit    sbatch FILE; it serves until the partition's limit of time, or that of --time")
        notes += [f"replicas  {jobs}: a job each, port {program.port + answer.first} and up"] if jobs > 1 else []
    if answer.beside and form.name not in AROUND:
        notes.append(f"beside    {', '.join(answer.beside)} {_devices(answer, program)}, --port")
    if program.hosts > 1 and form.name not in AROUND:
        how = "--node-rank, --master-addr, and --headless on all but the first" if form.name == "vllm-yaml" else RANKS
        notes.append(f"hosts     {program.hosts}, this on each of them: {how}")
    if replicas > 1 and form.name == "compose" and answer.together > 1:
        notes.append(f"replicas  {replicas} of each copy, all in this file")
    elif replicas > 1 and form.name == "compose":
        notes.append(f"replicas  {replicas}: {machine} a machine, this file on {-(-replicas // machine)}")
    if replicas > 1 and form.name not in AROUND:
        notes.append(f"replicas  {replicas}: start this for each, on {_gpus(program.gpus)} of its own")
    return notes


def _gpus(count: int) -> str:
    return f"{count} GPU{'s' if count != 1 else ''}"


def _devices(answer: LockedWorkload, program: Program) -> str:
    """Return which GPUs each server has of a machine that others are on too."""
    if not answer.placed:
        return "may be on the same machine: set CUDA_VISIBLE_DEVICES to GPUs of it that nothing else has"
    starts = (answer.first + number * program.gpus for number in range(answer.together * answer.on_a_machine))
    each = [",".join(map(str, range(start, start + program.gpus))) for start in starts]
    return f"on the same machine: set CUDA_VISIBLE_DEVICES={each[0]}" + (
        f" for the first, {'; '.join(each[1:])} for the next" if len(each) > 1 else ""
    )
