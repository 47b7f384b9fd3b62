"""`planner init`: a commented first plan."""

from __future__ import annotations

from pathlib import Path

import typer

PLAN = """\
## One chat endpoint: the cheapest cards that hold 32 conversations of 8 Ki tokens.
edition 2026

inference chat {
  model       = "meta-llama/Llama-3.1-8B-Instruct"
  context     = 8Ki tokens           # prompt and output together, per conversation
  concurrency = 32                   # conversations held at once

  weights  in {bf16, fp8, int4}      # `in` hands the decision to the solver, `=` makes it yours
  kv_cache in {bf16, fp8}
  gpus     in 1..8
  quality  >= 99%                    # `<=` and `>=` bound what follows from the choice
}

minimize cost
"""


def init(path: Path = typer.Argument(Path("plan.mem"), help="The file to write.")) -> None:
    """Write a commented first plan; a file that is there stays as it is."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(PLAN)
    except FileExistsError:
        typer.echo(f"{path} is already there; name another file", err=True)
        raise typer.Exit(2) from None
    except OSError as problem:
        typer.echo(f"{path} cannot be written: {problem.strerror}", err=True)
        raise typer.Exit(2) from None
    typer.echo(f"wrote {path}; next: planner solve {path}", err=True)
