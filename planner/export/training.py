"""A locked training as a file of one of the forms, or why it has none."""

from __future__ import annotations

import shlex

from planner.export import header
from planner.export.around import slurm
from planner.export.faults import Unsayable
from planner.export.forms import BY_NAME, LAUNCHED, Target
from planner.export.header import file_name
from planner.export.locked import LockedWorkload
from planner.export.trainers import accelerate, axolotl, deepspeed, llama_factory, megatron, run, torchtitan, trl

FAULTS = {
    "deepspeed": deepspeed.faults,
    "megatron": megatron.faults,
    "trl": trl.faults,
    "accelerate": accelerate.faults,
    "axolotl": axolotl.faults,
    "llama-factory": llama_factory.faults,
    "torchtitan": torchtitan.faults,
}


BESIDE = {
    **dict.fromkeys(LAUNCHED, "accelerate"),
    "deepspeed": "deepspeed",
    "megatron": "megatron",
    "torchtitan": "torchtitan",
}
"""The form that says what a framework's launcher or script reads beside a script for Slurm."""
ADDED = {
    "torchtitan": (
        'command   torchrun … -m torchtitan.train --module MODULE --config CONFIG "${options[@]}"',
        "add       the learning rate, the data, and the checkpoint to begin with",
    ),
    "axolotl": ("command   axolotl train FILE", "add       learning_rate, datasets; lora_alpha beside adapters"),
    "llama-factory": (
        "command   llamafactory-cli train FILE",
        "add       learning_rate, dataset, template, output_dir",
    ),
}
"""How a file is started, and what it takes that no plan has."""
FILES = ("accelerate", "deepspeed")
"""Those of them that are files of their own; Megatron's and torchtitan's options stand in the script."""


def faults(answer: LockedWorkload, form: Target) -> list[Unsayable]:
    """Return what of an answer the form cannot say."""
    if not answer.count("layers", 0):
        reason = f"`{answer.model}` is known by its parameters alone: what was computed of it is a rule of thumb"
        return [Unsayable("model", reason, "name a model of the catalog, or one whose layers the plan states")]
    if form.name == "slurm":
        beside = BESIDE.get(answer.word("framework"))
        refusals = [*slurm.training_faults(answer), *(FAULTS[beside](answer) if beside else ())]
    else:
        refusals = [*FAULTS[form.name](answer)]
    if answer.flag("expert_overlap"):
        reason = f"{form.name} has no setting for expert_overlap = true"
        refusals.append(Unsayable("expert_overlap", reason, "leave `expert_overlap` out, or set it by hand"))
    return refusals


def render(answer: LockedWorkload, form: Target) -> str:
    """Return the text of the file; `faults` must be empty."""
    notes = _notes(answer, form)
    match form.name:
        case "deepspeed":
            return deepspeed.render(answer, header.lines(answer, form, notes))
        case "megatron":
            body = megatron.render(answer)
        case "trl":
            body = trl.render(answer)
        case "torchtitan":
            body = torchtitan.render(answer)
        case "axolotl":
            body = axolotl.render(answer)
        case "llama-factory":
            body = llama_factory.render(answer)
        case "slurm":
            return f"{slurm.SHELL}{header.commented(answer, form, notes)}{slurm.launched(answer, _launch(answer))}"
        case _:
            body = accelerate.render(answer)
    return header.commented(answer, form, notes) + body


def _launch(answer: LockedWorkload) -> list[str]:
    """Return the command that starts a node's ranks of the script that is named behind the file, `"$@"`."""
    program = '"$@"'
    match answer.word("framework"):
        case "transformers" | "trl" | "llama_factory":
            first, options = "accelerate launch", [*slurm.accelerate(_beside(answer)), program]
        case "deepspeed":
            where = f"--deepspeed_config {_beside(answer)}"
            first, options = "torchrun", [*slurm.torchrun(answer), program, "--deepspeed", where]
        case "megatron":
            first, options = "torchrun", [*slurm.torchrun(answer), program, *megatron.options(answer)]
        case "torchtitan":
            first, options = "torchrun", [*slurm.torchrun(answer), program, *torchtitan.options(answer)]
        case _:
            first, options = "torchrun", [*slurm.torchrun(answer), program]
    return " \\\n  ".join((first, *options)).split("\n")


def _beside(answer: LockedWorkload) -> str:
    """Return the file that the launcher reads, in the folder from which the job is submitted."""
    form = BY_NAME[BESIDE[answer.word("framework")]]
    return f'"$SLURM_SUBMIT_DIR"/{shlex.quote(file_name(answer.name) + form.suffix)}'


def _notes(answer: LockedWorkload, form: Target) -> list[str]:
    notes = [f"model     {answer.model}; the learning rate and the data are the script's"]
    gpus, machines = answer.count("gpus"), run.hosts(answer)
    started = f"{gpus} process{'es' if gpus != 1 else ''}"
    notes.append(f"start     {started} on {machines} machine{'s' if machines > 1 else ''}")
    if form.name == "slurm":
        notes += _slurm_notes(answer)
    if form.name == "accelerate":
        notes += [f"elsewhere {line}" for line in run.elsewhere(answer, accelerate.said(answer))]
    if form.name == "trl" and answer.word("method") in run.ADAPTERS:
        notes.append("read by   `trl sft --config` (ScriptArguments, SFTConfig, ModelConfig)")
    if form.name == "trl":
        notes.append("needs     TRL 1.16 or later, which computes the loss in tiles")
    notes += ADDED.get(form.name, ())
    if form.name in ("trl", "llama-factory") and gpus > 1:
        notes.append("launch    with the configuration of `planner export --to accelerate`")
    if form.name == "megatron":
        notes.append("unchecked its launcher is in no package; the model's own options stand beside these")
    return notes


def _slurm_notes(answer: LockedWorkload) -> list[str]:
    beside = BESIDE.get(answer.word("framework"))
    folder = f", from the folder of {file_name(answer.name)}{BY_NAME[beside].suffix}" if beside in FILES else ""
    notes = [f"submit    sbatch FILE SCRIPT OPTIONS{folder}"]
    if beside in FILES:
        notes.append(f"written   by `planner export --to {beside}`, which says what the script sets")
    elif beside is None:
        notes += [f"elsewhere {line}" for line in run.elsewhere(answer, more=run.LAYOUT)]
    return notes
