"""Training memory of one rank of DeepSpeed, FSDP1, FSDP2, accelerate and DDP, and host memory, against measured steps.

The tolerances are the project's for many GPUs: mean 1 %, worst 5 %. Adapters inside a layer's unit of FSDP1 are not
what the Trainer sets up, and not modelled.
"""

from statistics import fmean

import pytest
from training_ranks import architectures, choices, error, group, measured

from planner.physics.architecture import parameters
from planner.physics.training import host

ROWS = {name: row for name, row in measured().items() if "adapters in layers" not in group(row)}


@pytest.mark.parametrize("kind", sorted({group(row) for row in ROWS.values()}))
def test_peak(kind):
    off = {name: error(name) for name, row in ROWS.items() if group(row) == kind}
    worst = max(off, key=lambda name: abs(off[name]))
    assert abs(off[worst]) <= 0.05, worst
    assert fmean(map(abs, off.values())) <= 0.01


def test_host():
    """2 %, what the project asks for: DeepSpeed's standing bytes, for which torch's AdamW stood in; FSDP's peaks."""
    for name, row in ROWS.items():
        if "host" not in row:
            continue
        arch = architectures()[row["model"]]
        found = host(arch, sum(parameters(arch).values()), choices(row)[0], pinned=False)
        wanted = row["host"] if row["library"] == "deepspeed" else row["host_peak"]
        assert found == pytest.approx(wanted, rel=0.02), name
