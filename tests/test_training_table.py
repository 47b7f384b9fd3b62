"""The table of many choices says what the plain functions say, to the byte."""

from dataclasses import replace
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trainers import products
from training_rows import architectures

from planner.physics.architecture import parameters
from planner.physics.training import (
    ActivationChoice,
    StateChoice,
    combine,
    points,
    precision_and_split,
    stage_runs,
    states,
    table,
    wholes,
)
from planner.physics.training.deepspeed_bytes import DEFAULTS, Sizes, automatic

MODELS = sorted(architectures())
METHODS = ["full", "lora", "qlora", "qat"]
PRECISIONS = ["fp32", "bf16", "bf16_mixed", "fp16_mixed", "fp8_mixed", "int8"]
OPTIMIZERS = ["sgd", "adamw", "muon", "adafactor", "adamw_8bit", "paged_adamw_8bit"]
WORDS = {
    "framework": ["transformers", "accelerate", "fsdp", "deepspeed", "megatron"],
    "checkpointing": ["none", "full", "selective"],
    "selective": ["attention", "operations", "products", "every_second_layer"],
    "attention": ["sdpa", "eager", "flash"],
    "schedule": ["gpipe", "one_f_one_b", "interleaved"],
    "loss": ["standard", "fused", "chunked"],
}


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_table_is_the_plain_function(data):
    arch = architectures()[data.draw(st.sampled_from(MODELS))]
    word = {name: data.draw(st.sampled_from(words)) for name, words in WORDS.items()}
    pp, spare = data.draw(st.sampled_from([1, 2, 4])), data.draw(st.sampled_from([0, 77, 500]))
    sizes = data.draw(st.lists(st.integers(1, 8), min_size=1, max_size=3, unique=True))
    frozen = data.draw(st.sampled_from([(), ("embedding",)]))
    kinds = [
        {
            "method": data.draw(st.sampled_from(METHODS)),
            "precision": data.draw(st.sampled_from(PRECISIONS)),
            "tp": data.draw(st.sampled_from([1, 2, 4])),
            "ep": data.draw(st.sampled_from([1, 2])),
        }
        for _ in range(3)
    ]
    active = ActivationChoice(
        sequence=data.draw(st.sampled_from([512, 2048, 5000])),
        offload=data.draw(st.booleans()),
        dpo=data.draw(st.booleans()),
        packed=data.draw(st.booleans()),
        dropout=data.draw(st.booleans()),
        pp=pp,
        frozen=frozen,
        **word,
    )
    for kind in kinds:
        kind["products"] = products(word["framework"], str(kind["precision"]))
    actives = [replace(active, **kind) for kind in kinds]
    again = data.draw(st.lists(st.integers(0, arch.layers), min_size=1, max_size=4))
    ways = [
        (
            data.draw(st.integers(0, 3)),
            data.draw(st.sampled_from([1, 8])),
            data.draw(st.booleans()),
            data.draw(st.sampled_from(["none", "optimizer", "parameters"])),
            1,
        )
        for _ in range(4)
    ]
    # everything at once
    rows = [(kind, size, flight) for kind in range(3) for size in range(len(sizes)) for flight in (1, 2, 3)]
    more = {
        "fsdp": data.draw(st.sampled_from([1, 2])),
        "overlap": data.draw(st.booleans()),
        "sizes": data.draw(st.sampled_from([DEFAULTS, automatic(arch.hidden), Sizes(10**7, 10**6, 0, 0, 0)])),
        "gradient_precision": data.draw(st.sampled_from(["", "fp32", "bf16"])),
    }
    shared = {"framework": word["framework"], "pp": pp, "dpo": active.dpo, "frozen": frozen, **more}
    plain = [StateChoice(**shared, **kind) for kind in kinds]
    params = sum(parameters(arch).values())
    parts = [[[each] for each in wholes(arch, params, own, OPTIMIZERS)] for own in plain]
    which, size, flights = numpy.array(rows).T
    made = table.gathered(
        [table.sized(arch, choice, sizes) for choice in actives], len(sizes), which, size, stage_runs(arch, pp)
    )
    making = numpy.array([own[0][0].making for own in parts])[which]
    lives = table.live(arch, made, actives[0], flights, making, again, spare)
    ways += [(way[0], 8, way[2], way[3], 2) for way in ways[:2]]
    zero, dp, accumulate, offload, replicas = (numpy.array(column) for column in zip(*ways, strict=True))
    for which_kind in range(3):
        columns: dict[str, Any] = {
            "zero": zero,
            "dp": dp,
            "accumulate": accumulate,
            "offload": offload,
            "replicas": replicas,
        }
        choice = replace(plain[which_kind], **columns)
        held = table.state_columns(parts[which_kind], [0] * len(ways), choice, spare)
        mine = numpy.flatnonzero(which == which_kind)
        row, place = numpy.repeat(mine, len(ways)), numpy.tile(numpy.arange(len(ways)), len(mine))
        peak = table.peaks(held, lives, place, row)
        totals = numpy.stack([table.totals(held, index, peak, place) for index in range(len(OPTIMIZERS))])
        least, lightest = table.lightest(held, table.passed_over(held), peak, place)
        assert (least == totals.min(axis=0)).all()
        assert (lightest == totals.argmin(axis=0)).all()
        # and one of it after the other
        for _ in range(8):
            at, k, name = (data.draw(st.integers(0, most - 1)) for most in (len(row), len(again), len(OPTIMIZERS)))
            own = replace(actives[which_kind], micro_batch=sizes[size[row[at]]], micro_batches=int(flights[row[at]]))
            way = dict(zip(("zero", "dp", "accumulate", "offload", "replicas"), ways[place[at]], strict=True))
            of = states(arch, params, replace(plain[which_kind], optimizer=OPTIMIZERS[name], **way))
            assert totals[name, at, k] == combine(of, points(arch, own, again[k]), spare=spare).total


@pytest.mark.parametrize("model", MODELS)
def test_choices_that_are_alike_have_the_same_parts(model):
    arch = architectures()[model]
    known: dict[object, object] = {}
    for method in METHODS:
        for precision in PRECISIONS:
            for framework in WORDS["framework"]:
                choice = ActivationChoice(1024, method=method, precision=precision, framework=framework, tp=2)
                choice = replace(choice, products=products(framework, precision))
                found = table.sized(arch, choice, [2])
                assert known.setdefault((framework, precision_and_split(choice)), found) == found
