"""What a log measured as a `measurement` block that a plan can hold."""

from __future__ import annotations

import json
from fractions import Fraction

from planner.language.schema import grouped
from planner.lock.text import number
from planner.startup.identity import WIDE, bytes_of_a_token
from planner.startup.predicted import Predicted
from planner.startup.reported import Reported

SETTINGS = grouped("engine")


def measurement(lock: Predicted, log: Reported | None, cards: Reported | None) -> str:
    """Return the block of what was reported, laid out as `fmt` does; empty where nothing that a plan may state was.

    vLLM and SGLang: the tokens of the cache. llama.cpp: what is taken of the fullest GPU.
    """
    if log is None or log.failure or lock.kind != "inference":
        return ""
    lines = _measured(lock, log, cards)
    if not lines:
        return ""
    choice, given = lock.choice, lock.given
    tensor, stages = (_whole(choice.get(name)) for name in ("tensor_parallel", "pipeline_parallel"))
    said: list[tuple[str, object]] = [
        ("model", _model(str(given.get("model", "")))),
        ("gpu", choice["gpu"]),
        ("gpus", tensor * stages),
        ("tensor_parallel", tensor),
        ("pipeline_parallel", stages),
        ("engine", given.get("engine")),
        ("engine_version", json.dumps(log.version or str(given.get("engine_version", "")))),
        ("weights", choice["weights"]),
        ("kv_cache", choice["kv_cache"]),
    ]
    for name in SETTINGS:
        value = log.settings.get(name, given.get(name))
        if isinstance(value, Fraction) and log.engine != "llama_cpp":
            said.append((name, number(value)))
    from planner.syntax.format import format_text

    body = "".join(f"  {name} = {value}\n" for name, value in (*said, *lines))
    text, _ = format_text(f"measurement seen_{lock.workload} {{\n{body}}}\n")
    return text or ""


def _measured(lock: Predicted, log: Reported, cards: Reported | None) -> list[tuple[str, object]]:
    if log.engine == "llama_cpp":
        taken = cards.largest("total") if cards is not None else log.largest("total")
        context, many = _whole(lock.given.get("context")), _whole(lock.given.get("concurrency"))
        if taken is None or context < 2:
            return []
        prompt = min(_whole(lock.given.get("prompt")), context - 1)
        output = context - prompt
        memory = f"{int(taken.most) // 2**20 + 1} MiB"
        return [("concurrency", many), ("prompt", prompt), ("output", output), ("memory", memory)]
    if lock.sharers > 1:
        return []  # a measurement is of ranks that share their sequences
    followed = log.formats.get("kv_cache") == "auto" and lock.choice["kv_cache"] not in WIDE
    if followed and bytes_of_a_token(lock, log) is None:
        return []  # it states the format of the cache, which is not known
    held = min((one.value for one in log.tokens), default=None)
    if held is None and log.blocks:
        held = min(one.value for one in log.blocks) * lock.block
    return [] if held is None or held <= 0 else [("kv_tokens", f"{held}")]


def _model(written: str) -> str:
    """Return a model as a plan names it: an id in quotes, a declared name or a call as it is."""
    return written if written.isidentifier() or "(" in written else json.dumps(written)


def _whole(value: object) -> int:
    return int(value) if isinstance(value, Fraction) else 1
