"""`planner init`: a commented first plan."""

from __future__ import annotations

from pathlib import Path

import typer

from planner.cli import options
from planner.cli.screen import say, tell
from planner.diagnostics.shown import shown
from planner.language.compose import Words, option

INFERENCE = """\
## One chat endpoint: the cheapest cards that hold 32 conversations of 8 Ki tokens.
edition 2026

inference chat {
  model       = "meta-llama/Llama-3.1-8B-Instruct"
  context     = 8Ki tokens  # prompt and output together, per conversation
  concurrency = 32          # conversations held at once

  weights  in {bf16, fp8, int4}  # `in` hands the decision to the solver, `=` makes it yours
  kv_cache in {bf16, fp8}
  gpus     in 1..8
  quality  >= 97%                # `<=` and `>=` bound what follows from the choice
}

minimize cost
"""
TRAINING = """\
## One fine-tune: the cheapest cards that train adapters for an 8B model on 20 M tokens.
edition 2026

training tune {
  model        = "meta-llama/Llama-3.1-8B"
  sequence     = 2Ki tokens
  global_batch = 16          # sequences of one optimizer step
  tokens       = 20M tokens  # what the whole run reads

  method        in {lora, qlora}  # `in` hands the decision to the solver, `=` makes it yours
  precision     = bf16
  checkpointing in {none, full}   # computing activations again costs time and saves memory
  gpus          in 1..2
}

minimize total_cost
"""


def init(
    path: Path = typer.Argument(Path("plan.mem"), help="The file to write."),
    model: str | None = typer.Option(
        None, help="The model of the plan: an id, a config.json, a folder or a checkpoint."
    ),
    context: options.Context = None,
    concurrency: options.Concurrency = None,
    gpu: options.Gpu = None,
    gpus: options.Gpus = None,
    weights: options.Weights = None,
    kv_cache: options.KvCache = None,
    engine: options.Engine = None,
    approximate: options.Approximate = False,
    training: bool = typer.Option(False, "--training", help="A fine-tune instead of an endpoint."),
) -> None:
    """Write a commented first plan; a file that is there stays as it is."""
    said = {"context": context, "concurrency": concurrency, "gpu": gpu, "gpus": gpus, "weights": weights,
            "kv_cache": kv_cache, "engine": engine}  # fmt: skip
    text = TRAINING if training else INFERENCE
    if model is not None:
        if training:
            raise typer.BadParameter("it writes an endpoint; leave out --training", param_hint="--model")
        text = _of_model(Words(model, **said, approximate=approximate), path)
    elif any(said.values()):
        stray = next(option(name) for name, value in said.items() if value is not None)
        raise typer.BadParameter("it goes with --model", param_hint=stray)
    elif approximate:
        raise typer.BadParameter("it goes with --model", param_hint="--approximate")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        tell(f"{path} is already there; name another file")
        raise typer.Exit(2) from None
    except OSError as problem:
        tell(f"{path} cannot be written: {problem.strerror}")
        raise typer.Exit(2) from None
    steps = (
        (f"planner solve {path}", f"the cheapest hardware, written to {path}.lock"),
        (f"planner why {path}", "why this, and what every other GPU breaks"),
        (f"planner check {path}", "for CI: the plan is sound, and its lock still answers it"),
    )
    wide = max(len(command) for command, _ in steps)
    lines = [f"wrote {path}; next:", *(f"  {command:<{wide}}  # {why}" for command, why in steps)]
    say("\n".join(map(shown, lines)), err=True)


def _of_model(words: Words, path: Path) -> str:
    """Return the plan that the words of the command line mean; a model's file is named as seen from the plan."""
    from planner.cli.model import composed, load_composed

    load_composed(composed(words, name="chat"))
    return composed(words, name="chat", seen_from=path.parent)
