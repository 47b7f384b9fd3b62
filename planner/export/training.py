"""A locked training as a file of one of the forms, or why it has none."""

from __future__ import annotations

from planner.export import header
from planner.export.faults import Unsayable
from planner.export.forms import Target
from planner.export.said import Said
from planner.export.trainers import accelerate, deepspeed, megatron, run, trl

FAULTS = {
    "deepspeed": deepspeed.faults,
    "megatron": megatron.faults,
    "trl": trl.faults,
    "accelerate": accelerate.faults,
}


def faults(answer: Said, form: Target) -> list[Unsayable]:
    """Return what of an answer the form cannot say."""
    if not answer.count("layers", 0):
        reason = f"`{answer.model}` is known by its parameters alone: what was computed of it is a rule of thumb"
        return [Unsayable("model", reason, "name a model of the catalog, or one whose layers the plan states")]
    refusals = [*FAULTS[form.name](answer)]
    if answer.flag("expert_overlap"):
        reason = f"{form.name} has no setting for expert_overlap = true"
        refusals.append(Unsayable("expert_overlap", reason, "leave `expert_overlap` out, or set it by hand"))
    return refusals


def render(answer: Said, form: Target) -> str:
    """Return the text of the file; `faults` must be empty."""
    notes = _notes(answer, form)
    match form.name:
        case "deepspeed":
            return deepspeed.render(answer, header.lines(answer, form, notes))
        case "megatron":
            body = megatron.render(answer)
        case "trl":
            body = trl.render(answer)
        case _:
            body = accelerate.render(answer)
    return header.commented(answer, form, notes) + body


def _notes(answer: Said, form: Target) -> list[str]:
    notes = [f"model     {answer.model}; the learning rate and the data are the script's"]
    gpus, machines = answer.count("gpus"), run.hosts(answer)
    started = f"{gpus} process{'es' if gpus != 1 else ''}"
    notes.append(f"start     {started} on {machines} machine{'s' if machines > 1 else ''}")
    if form.name == "accelerate":
        notes += [f"elsewhere {line}" for line in run.elsewhere(answer, accelerate.said(answer))]
    if form.name == "trl" and answer.word("method") in run.ADAPTERS:
        notes.append("read by   `trl sft --config` (ScriptArguments, SFTConfig, ModelConfig)")
    if form.name == "trl" and gpus > 1:
        notes.append("launch    with the configuration of `planner export --to accelerate`")
    if form.name == "megatron":
        notes.append("unchecked its launcher is in no package; the model's own options stand beside these")
    return notes
