"""States of bitsandbytes' optimizers against those that a real step made.

training_bitsandbytes.jsonl: the Trainer of transformers 5.24 made the optimizer (`create_optimizer`) for a Llama of
three layers in fp32, with peft 0.21.2 where adapters are trained, and one step on a CPU ran (bitsandbytes 0.50.2, torch
2.8). `states` are the bytes of all its tensors but the two tables of codes, `paged` those of them that
`get_state_buffer` pages on a GPU. Blocks of 256 end with each tensor, which the formula does not follow.
"""

import json
from pathlib import Path

import pytest

from planner.catalog.huggingface.read import read_config
from planner.physics.architecture import parameters
from planner.physics.training import StateChoice
from planner.physics.training.host import host
from planner.physics.training.states import states, whole

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parent / "truth" / "training_bitsandbytes.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
CONFIG = {
    "model_type": "llama",
    "intermediate_size": 688,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 1000,
}


def arch(tmp_path, row):
    said = CONFIG | {"hidden_size": row["hidden"], "tie_word_embeddings": row["tied"]}
    (tmp_path / "config.json").write_text(json.dumps(said), encoding="utf-8")
    read = read_config(tmp_path).architecture
    assert read is not None
    return read


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['optimizer']}-{row['rank']}-{row['tied']}")
def test_states(row, tmp_path):
    model = arch(tmp_path, row)
    method = "lora" if row["rank"] else "full"
    choice = StateChoice(method=method, precision="fp32", optimizer=row["optimizer"], rank=row["rank"], kernel="fused")
    size = sum(parameters(model).values())
    kept = whole(model, size, choice)
    assert (kept.trained, kept.paged) == (row["trained"], row["paged"])
    assert kept.optimizer + kept.paged == pytest.approx(row["states"], rel=5e-6)
    assert states(model, size, choice).optimizer == kept.optimizer
    assert host(model, size, choice) == row["paged"]


def test_an_embedding_of_deepspeed(tmp_path):
    """DeepSpeed steps on flat tensors, which are no embedding's: its states are of a byte like all others."""
    model = arch(tmp_path, ROWS[0])
    choice = StateChoice(precision="bf16_mixed", optimizer="adamw_8bit", framework="deepspeed")
    kept = whole(model, sum(parameters(model).values()), choice)
    assert kept.optimizer == pytest.approx(kept.trained * (2 + 8 / 256), rel=1e-5)
