"""Speculative decoding with a draft model: what a step costs, what it yields, and where it keeps what is proposed."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import pytest

from planner import api
from planner.plan import Shipped, load_plan, shipped_catalog
from planner.solve.candidate import Candidate

BIG, SMALL = "meta-llama/Llama-3.3-70B-Instruct", "meta-llama/Llama-3.2-1B-Instruct"
DRAFT = f'draft_model = "{SMALL}"; '


@cache
def shipped() -> Shipped:
    return shipped_catalog()


def served(more: str = "", model: str = BIG, load: str = "context = 8Ki; concurrency = 8", gpus: int = 4) -> Candidate:
    text = f'inference w {{ model = "{model}"; {load}; weights = fp8; gpu = h100_sxm; gpus = {gpus}; '
    text += f"tensor_parallel = {gpus}; {more} }}\n"
    found = api.estimate(load_plan("w.mem", shipped=shipped(), text=text))
    assert isinstance(found, api.Result)
    return found.answer.workloads[0].chosen


def tpot(more: str = "", **others: object) -> float:
    value = served(more, **others).outcomes["tpot"]  # type: ignore[arg-type]
    return float(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("proposed", (1, 3, 8))
def test_a_step_yields_one_token_and_those_that_are_accepted(proposed: int) -> None:
    """The seconds of a step do not depend on what comes of it: tpot falls as the tokens of a step grow."""
    steps = [
        tpot(f"{DRAFT}draft_tokens = {proposed}; acceptance = {share}%") * (1 + proposed * share / 100)
        for share in (0, 40, 100)
    ]
    assert steps[1:] == pytest.approx(steps[:1] * 2, rel=1e-5)  # seconds are whole nanoseconds


def test_a_draft_that_is_never_right_only_costs() -> None:
    plain = tpot()
    assert tpot(DRAFT) > plain  # acceptance unsaid is none
    assert tpot(f"{DRAFT}draft_tokens = 8") > tpot(f"{DRAFT}draft_tokens = 2") > plain
    assert tpot(f"{DRAFT}draft_tokens = 3; acceptance = 60%") < plain


def test_speculation_pays_at_small_batches_alone() -> None:
    """Where products are bound by compute, verifying what is not accepted takes time that others would use."""
    drafted = f"{DRAFT}draft_tokens = 5; acceptance = 40%"
    gains = [
        tpot(load=load) / tpot(drafted, load=load)
        for load in (
            "context = 2Ki; concurrency = 1",
            "context = 2Ki; concurrency = 64",
            "context = 2Ki; concurrency = 512",
        )
    ]
    assert gains[0] > gains[1] > gains[2]
    assert gains[0] > 1.3 and gains[2] < 1


def test_what_is_proposed_has_its_places_in_the_cache() -> None:
    """Blocks of 16 tokens: 8,192 and 5 more take 513 of them, 8,176 and 5 take 512, in both models' caches."""
    each = (80 * 8 * 128 + 16 * 8 * 64) * 2 * 2 // 4 * 16
    for context, blocks in ((8192, 513), (8176, 512)):
        got = served(DRAFT, load=f"context = {context}; concurrency = 8")
        assert got.parts["kv_cache"] == 8 * blocks * each


def test_a_state_has_a_page_for_each_token_that_is_proposed() -> None:
    """Recurrent states are kept after each of them (vLLM's MambaSpec), so that one can go back to the last accepted."""
    load, model = "context = 8Ki; concurrency = 8", "Qwen/Qwen3-Next-80B-A3B-Instruct"
    drafted = 'draft_model = "Qwen/Qwen3-0.6B"; draft_tokens = '
    sizes = [served(f"{drafted}{count}", model=model, load=load).parts["kv_cache"] for count in (1, 3, 5)]
    assert sizes[0] < sizes[1] < sizes[2]
    assert sizes[2] - sizes[1] == pytest.approx(sizes[1] - sizes[0], rel=0.01)


def test_acceptance_is_a_share() -> None:
    for said, known in (("0.6", Fraction(3, 5)), ("60%", Fraction(3, 5))):
        plan = load_plan(
            "w.mem",
            shipped=shipped(),
            text=f'inference w {{ model = "{BIG}"; context = 8Ki; concurrency = 1; acceptance = {said} }}',
        )
        assert plan.problem is not None
        assert plan.problem.workloads[0].given["acceptance"] == known
    plan = load_plan(
        "w.mem",
        shipped=shipped(),
        text=f'inference w {{ model = "{BIG}"; context = 8Ki; concurrency = 1; acceptance = 3 }}',
    )
    assert plan.problem is None


OWN = "model own { hidden = 2048; layers = 16; heads = 32; kv_heads = 8; inter = 8192; vocab = 128256 }\n"


def test_a_draft_may_be_declared_in_the_plan() -> None:
    """It is loaded beside the model as a shipped one is; before, it was counted as nothing."""
    text = 'inference w {{ model = "{}"; context = 8Ki; concurrency = 8; weights = fp8; gpu = h100_sxm; gpus = 4{} }}\n'
    sizes = []
    for more in ("", f'; draft_model = "{SMALL}"', "; draft_model = own"):
        found = api.estimate(load_plan("w.mem", shipped=shipped(), text=OWN + text.format(BIG, more)))
        assert isinstance(found, api.Result)
        sizes.append(found.answer.workloads[0].chosen.parts["weights"])
    assert sizes[0] < sizes[1] == pytest.approx(sizes[2], rel=0.02)


def test_a_draft_without_layers_is_refused() -> None:
    text = "model own { parameters = 1B }\n"
    text += f'inference w {{ model = "{BIG}"; context = 8Ki; concurrency = 1; draft_model = own }}\n'
    plan = load_plan("w.mem", shipped=shipped(), text=text)
    assert plan.problem is None
    assert [item.code for item in plan.findings if item.is_error] == ["E0405"]


def test_a_draft_is_known_as_the_plan_names_it_and_compared_by_its_row() -> None:
    """A fine-tune shares its base's row; an export loads what is written."""
    for rule in ("meta-llama/Llama-3.2-1B", SMALL):
        text = f'inference w {{ model = "{BIG}"; context = 8Ki; concurrency = 1; gpu = h100_sxm; gpus = 4; {DRAFT} }}\n'
        plan = load_plan("w.mem", shipped=shipped(), text=f'{text}require same: w.draft_model == "{rule}"\n')
        assert plan.problem is not None
        (workload,) = plan.problem.workloads
        assert workload.given["draft_model"] == SMALL
        assert workload.draft is not None
        assert api.solve(plan, top=0).answer.outcome == "optimal"
