"""The table of many choices says what the plain functions say, to the byte."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_rows import architectures

from planner.physics.architecture import parameters
from planner.physics.training import ActivationChoice, StateChoice, combine, points, states, table

MODELS = sorted(architectures())
WORDS = {
    "precision": ["fp32", "bf16", "bf16_mixed", "fp8_mixed"],
    "method": ["full", "lora", "qlora", "qat"],
    "framework": ["transformers", "fsdp", "deepspeed", "megatron"],
    "optimizer": ["sgd", "adamw", "muon", "adafactor", "adamw_8bit"],
    "checkpointing": ["none", "full", "selective"],
    "selective": ["attention", "operations"],
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
    split = {name: data.draw(st.sampled_from([1, 2, 4])) for name in ("tp", "pp", "ep")}
    shared = {name: word[name] for name in ("precision", "method", "framework")} | split
    active = ActivationChoice(
        sequence=data.draw(st.sampled_from([512, 2048, 5000])),
        micro_batch=data.draw(st.integers(1, 4)),
        offload=data.draw(st.booleans()),
        dpo=data.draw(st.booleans()),
        packed=data.draw(st.booleans()),
        **{name: word[name] for name in ("checkpointing", "selective", "attention", "schedule", "loss")},
        **shared,
    )
    found = [
        states(
            arch,
            sum(parameters(arch).values()),
            StateChoice(
                optimizer=word["optimizer"],
                zero=zero,
                dp=data.draw(st.sampled_from([1, 8])),
                accumulate=data.draw(st.booleans()),
                **shared,
            ),
        )
        for zero in range(4)
    ]
    spare = data.draw(st.sampled_from([0, 77, 500]))
    totals = table.totals(found, table.columns(arch, active), spare)
    again = data.draw(st.integers(0, totals.shape[1] - 1))
    for row, each in enumerate(found):
        assert totals[row, again] == combine(each, points(arch, active, again), spare=spare).total
