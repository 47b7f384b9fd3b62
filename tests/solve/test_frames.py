"""Tables that share a frame are those that each workload has by itself, and a frame reads nothing of a load."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from typing import Any

import numpy
import pytest

from planner.plan import Loaded, Shipped, load_plan, shipped_catalog
from planner.solve.inference import frame as frames
from planner.solve.inference.support import lacks
from planner.solve.inference.table import table
from planner.solve.inference.workload import service
from planner.solve.stated import number

MODELS = (
    "meta-llama/Llama-3.1-8B",
    "Qwen/Qwen2.5-7B",
    "google/gemma-3-12b-it",
    "deepseek-ai/DeepSeek-V2-Lite",
    "Qwen/Qwen2.5-VL-7B-Instruct",
    "ibm-granite/granite-4.0-h-small",
)
ENGINES = (
    "",
    "engine = sglang",
    "engine = llama_cpp; weights = q4_k_m",
    "engine = tensorrt_llm",
    'engine_version = "0.6.6"',
    "max_sequences = 8",
    "attention_parallel = data",
    'draft_model = "Qwen/Qwen2.5-0.5B"; draft_tokens = 3; acceptance = 50%',
)


@cache
def shipped() -> Shipped:
    return shipped_catalog()


def loaded(text: str) -> Loaded:
    return load_plan("w.mem", shipped=shipped(), text=text)


def block(chance: random.Random, name: str, model: str, engine: str, demand: bool) -> str:
    output = chance.choice((0, 128, 500))
    more = [engine, f"output = {output}" if output else "", "demand = 2 req/s" if demand and output else ""]
    offered = "" if "weights" in engine else "weights in {bf16, fp8, int4}; kv_cache in {bf16, fp8}"
    return (
        f'inference {name} {{ model = "{model}"; context = {chance.choice((700, 2048, 9000, 32768))}\n'
        f"  concurrency = {chance.choice((1, 7, 60, 400, 2000))}; gpus in {{1, 2, 4}}\n"
        f"  gpu in {{l4, l40s, h100_sxm, a100_sxm_80gb, mi300x}}; {'; '.join(filter(None, (offered, *more)))} }}\n"
    )


def columns(found: Any) -> dict[str, Any]:
    out = {name: found.outcome(name) for name in found.outcomes}
    out |= {f"axis {name}": (axis.values, axis.index) for name, axis in found.axes.items()}
    out |= {f"broken {name}": where for name, where in found.broken.items()}
    return out | {"costs": found.costs, "pool": (found.pools, found.pool), "slots": found.slots}


@pytest.mark.parametrize("seed", range(len(ENGINES)))
def test_a_shared_frame_makes_the_same_tables(seed: int) -> None:
    chance = random.Random(seed)
    model, engine, demand = chance.choice(MODELS), ENGINES[seed % len(ENGINES)], chance.random() < 0.3
    plan = loaded("".join(block(chance, name, model, engine, demand) for name in "abcd"))
    assert plan.problem is not None, plan.findings
    problem, catalog = plan.problem, plan.catalog
    shared = {item.name: columns(table(problem, item, catalog)) for item in problem.workloads}
    limited = "llama_cpp" in engine  # which lacks more than 256 sequences
    kinds = {("demand" in each.given, limited and number(each, "concurrency") > 256) for each in problem.workloads}
    assert len(kinds) == len(frames._FRAMES[0][1])
    for workload in problem.workloads:
        together = shared[workload.name]
        frames._FRAMES.clear()
        apart = columns(table(problem, workload, catalog))
        assert together.keys() == apart.keys()
        for name, value in together.items():
            if isinstance(value, tuple):
                assert value[0] == apart[name][0], name
                value, other = value[1], apart[name][1]
            else:
                other = apart[name]
            assert numpy.array_equal(value, other), (name, workload.name)


@pytest.mark.parametrize("seed", range(len(ENGINES)))
def test_a_frame_reads_nothing_of_a_load(seed: int) -> None:
    """Nothing but what the engine lacks for it, which frames are told apart by."""
    chance = random.Random(seed)
    plan = loaded(block(chance, "a", MODELS[seed % len(MODELS)], ENGINES[seed], demand=False))
    assert plan.problem is not None, plan.findings
    workload = plan.problem.workloads[0]
    this = service(plan.problem, workload, plan.catalog)
    bare = replace(workload, given={name: value for name, value in workload.given.items() if name not in frames.LOAD})
    nothing: Any = None
    load = dict.fromkeys(("context", "concurrency", "prompt", "output"), nothing)
    poisoned = replace(this, workload=bare, known={("lacks",): lacks(this)}, **load)
    assert frames.frame(plan.problem, bare, poisoned, fixed=False) is not None
