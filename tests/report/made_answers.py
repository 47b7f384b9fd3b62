"""Answers made by hand for the renderers' tests: no catalog and no physics moves them."""

from __future__ import annotations

from fractions import Fraction

from planner.diagnostics import Diagnostic, Span
from planner.language.problem import Value
from planner.solve.answer import Answer, Conflict, Filtered, ObjectivePart, Solved, Standing
from planner.solve.candidate import Broken, Candidate, Hint
from planner.solve.needs import Note, need, note

GIB = 2**30


def candidate(
    workload: str,
    gpu: str,
    gpus: int,
    cost: int,
    parts: dict[str, int],
    usable: int,
    *,
    kind: str = "inference",
    quality: Fraction | None = Fraction(1),
    broken: tuple[Broken, ...] = (),
    moment: str | None = None,
    notes: tuple[Note, ...] = (),
    **more: Value,
) -> Candidate:
    choice: dict[str, Value] = {
        "gpu": gpu,
        "gpus": Fraction(gpus),
        "offer": f"cloud/eu/{gpu}",
        "provider": "cloud",
        "region": "eu",
        "market": "on_demand",
        "tensor_parallel": Fraction(gpus),
        "pipeline_parallel": Fraction(1),
        **more,
    }
    total = sum(parts.values())
    outcomes: dict[str, Fraction | None] = {
        "memory": Fraction(total),
        "headroom": Fraction(usable - total, usable),
        "cost": Fraction(cost, 10**6),
        "quality": quality,
    }
    moments = {"loss": total - GIB, moment: total} if moment else {}
    return Candidate(
        workload, kind, choice, gpu, gpus, f"cloud/eu/{gpu}", 1, cost, 0, usable, total, parts, parts, moment,
        outcomes, broken, notes, moments, price_as_of="2026-05-04",
    )  # fmt: skip


PARTS = {
    "weights": 8 * GIB,
    "kv_cache": 16 * GIB,
    "activations": GIB // 2,
    "logits": GIB,
    "overhead": GIB,
    "margin": GIB // 4,
}
CHAT = Solved(
    candidate(
        "chat", "l40s", 1, 1_861_000, PARTS, 40 * GIB,
        weights="fp8_e4m3", kv_cache="bf16", quality=Fraction(99, 100),
    ),
    (candidate("chat", "a100_sxm_80gb", 1, 2_100_000, PARTS, 71 * GIB, weights="bf16", kv_cache="bf16"),),
    (
        candidate(
            "chat", "t4", 1, 350_000, PARTS, 14 * GIB, weights="fp8_e4m3", kv_cache="bf16", quality=None,
            broken=(
                Broken("chat.memory", Fraction(27 * GIB), Fraction(14 * GIB), "bytes"),
                Broken("chat.quality", None, Fraction(98, 100)),
            ),
        ),
        candidate(
            "chat", "l4", 1, 805_000, PARTS, 22 * GIB, weights="fp8_e4m3", kv_cache="bf16", quality=Fraction(99, 100),
            broken=(
                Broken(
                    "chat.memory", Fraction(PARTS["weights"] + 19 * GIB), Fraction(22 * GIB), "bytes",
                    (
                        Hint("context", "<=", Fraction(6_208), "tokens"),
                        Hint("concurrency", "<=", Fraction(24)),
                        Hint("kv_cache", "=", "fp8_e4m3"),
                    ),
                ),
            ),
        ),
    ),
    (
        Broken("chat.memory", Fraction(sum(PARTS.values())), Fraction(40 * GIB), "bytes"),
        Broken("chat.tpot", Fraction(97, 2000), Fraction(1, 20), "s"),
        Broken("chat.quality", Fraction(99, 100), Fraction(98, 100)),
    ),
)  # fmt: skip
TUNE = Solved(
    candidate(
        "tune", "h100_sxm", 8, 23_920_000,
        {"weights": 15 * GIB, "gradients": 15 * GIB, "optimizer": 30 * GIB, "logits": 3 * GIB, "overhead": 2 * GIB},
        79 * GIB, kind="training", quality=None, moment="backward_first_layer", method="full", precision="bf16",
        optimizer="adamw", checkpointing="full", checkpointed_layers=Fraction(32), zero=Fraction(1),
        data_parallel=Fraction(8), tensor_parallel=Fraction(1), 
        notes=(note("opaque_parts"),),
    ),
    (),
    (),
)  # fmt: skip
OBJECTIVE = (ObjectivePart("cost", "minimize", Fraction(1_861, 1000), Fraction(1_861, 1000), "USD/h"),)
FILTERED = (
    Filtered("chat", "h100_sxm", "chat.cost", 96),
    Filtered("chat", "l4", "chat.memory", 40),
    Filtered("chat", "l4", "chat.tpot", 12),
)
DEAR = candidate(
    "chat", "h100_sxm", 1, 2_990_000, PARTS, 79 * GIB, weights="bf16", kv_cache="bf16",
    broken=(Broken("chat.cost", Fraction(299, 100), Fraction(2), "USD/h"),),
)  # fmt: skip
FOREIGN = candidate(
    "chat", "tpu_v5e", 2, 2_400_000, PARTS, 15 * GIB, weights="bf16", kv_cache="bf16",
    broken=(Broken("chat.gpu", need("engine_runs_on", "google"), "vllm"),),
)  # fmt: skip
BROKEN = (
    Standing("chat", "h100_sxm", "breaks", DEAR),
    Standing("chat", "tpu_v5e", "unsupported", FOREIGN),
    Standing("chat", "l40", "not_offered", None),
)
HARDWARE = (
    Standing("chat", "l40s", "chosen", CHAT.chosen),
    Standing("chat", "a100_sxm_80gb", "fits", CHAT.alternatives[0]),
    Standing("chat", "l4", "breaks", CHAT.rejected[1]),
    *BROKEN,
)
FRONT = ((CHAT.chosen,), (CHAT.alternatives[0],))
ONE = Answer("optimal", OBJECTIVE, (CHAT,), (), 1_861_000, 2_178, FILTERED, pareto=FRONT, hardware=HARDWARE)
FLEET = Answer(
    "feasible",
    (ObjectivePart("cost", "minimize", Fraction(25_781, 1000), Fraction(24), "USD/h"),),
    (CHAT, TUNE),
    (),
    25_781_000,
    10_240,
    FILTERED,
    (("spare", True), ("native", False)),
    False,
)
INFEASIBLE = Answer(
    "infeasible",
    (),
    (),
    (
        Conflict(
            "chat.memory", Fraction(30 * GIB), Fraction(22 * GIB), "bytes",
            (Hint("context", "<=", Fraction(4096), "tokens"),),
        ),
        Conflict("chat.quality", Fraction(97, 100), Fraction(99, 100)),
        Conflict("fleet.cost", Fraction(5), Fraction(2), "USD/h"),
    ),
    None,
    420,
    FILTERED,
    hardware=BROKEN,
)  # fmt: skip
WARNING = Diagnostic(
    "W0601", "warning", "activations in fp16 are narrower than bf16", Span("chat.mem", 40, 44, 5, 3), help="use bf16"
)
TOO_LARGE = Answer(
    "fixed",
    (),
    (
        Solved(
            candidate(
                "chat", "l4", 1, 805_000, PARTS, 22 * GIB, weights="bf16", kv_cache="bf16",
                broken=(Broken("chat.memory", Fraction(sum(PARTS.values())), Fraction(22 * GIB), "bytes"),),
            ),
            (),
            (),
        ),
    ),
    (),
    805_000,
    1,
)  # fmt: skip
ANSWERS = {"one": ONE, "fleet": FLEET, "infeasible": INFEASIBLE, "too_large": TOO_LARGE}
