"""The options that describe a model's workload, for every verb that takes `--model`."""

from __future__ import annotations

from typing import Annotated

import typer

Context = Annotated[
    str | None, typer.Option(help="With --model: tokens of prompt and output together, 8Ki unless said.")
]
Concurrency = Annotated[str | None, typer.Option(help="With --model: sequences held at once on each replica.")]
Gpu = Annotated[str | None, typer.Option(help="With --model: the GPU, or several: l4,l40s.")]
Gpus = Annotated[str | None, typer.Option(help="With --model: how many GPUs: 1,2,4,8 unless said.")]
Weights = Annotated[str | None, typer.Option(help="With --model: the weights' format, or several: bf16,fp8.")]
KvCache = Annotated[str | None, typer.Option("--kv-cache", help="With --model: the KV cache's format, or several.")]
Approximate = Annotated[
    bool, typer.Option("--approximate", help="With --model: accept a config that is not described exactly.")
]
Engine = Annotated[str | None, typer.Option(help="With --model: the serving engine.")]
