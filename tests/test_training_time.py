"""Training time against published speeds.

llm-foundry, scripts/train/benchmarking/README.md@8c8dd48: model, GPU, GPUs, sequence, micro-batch, micro-batches a
step, checkpointing, tokens/s a GPU. The shares of the hardware's peak are fitted to runs of this page (the module says
so); torchtitan's are not. The tolerances are the residuals that the module states: a step 30 % too short is 43 % too
fast.
"""

from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest
from trainers import products
from training_rows import architectures

from planner.catalog.architecture import Attention, FeedForward
from planner.catalog.load import load
from planner.catalog.records import Architecture, Layers, Model
from planner.physics import training_time
from planner.physics.architecture import parameters
from planner.physics.training import ActivationChoice
from planner.plan import load_plan
from planner.solve import estimate
from planner.solve.candidate import Candidate
from planner.solve.parallelism import Layout
from planner.solve.training.framework_rules import training_faults

MPT = {
    "125m": (12, 768, 12),
    "350m": (24, 1024, 16),
    "760m": (24, 1536, 12),
    "1b": (24, 2048, 16),
    "3b": (32, 2560, 20),
    "7b": (32, 4096, 32),
    "13b": (40, 5120, 40),
    "70b": (80, 8192, 64),
}
RUNS = """
70b h100_sxm 512 2048 8 1 ckpt 1007
13b h100_sxm 512 2048 16 1 ckpt 4952
7b h100_sxm 512 2048 6 1 none 9670
3b h100_sxm 512 2048 8 1 none 21664
13b h100_sxm 64 2048 2 1 none 4800
7b h100_sxm 8 65536 1 2 ckpt 1956
3b h100_sxm 8 65536 1 2 ckpt 3262
760m h100_sxm 8 32768 1 2 none 16291
70b a100_sxm_80gb 64 2048 8 4 ckpt 410
13b a100_sxm_80gb 8 32768 1 3 ckpt 1016
13b a100_sxm_80gb 8 2048 2 3 none 2262
7b a100_sxm_80gb 8 65536 1 2 ckpt 1013
7b a100_sxm_80gb 8 2048 6 2 none 4641
3b a100_sxm_80gb 8 65536 1 2 ckpt 1767
3b a100_sxm_80gb 8 16384 1 6 none 5529
760m a100_sxm_80gb 8 65536 1 2 ckpt 4143
760m a100_sxm_80gb 8 32768 1 2 none 8802
350m a100_sxm_80gb 8 65536 1 2 none 7524
125m a100_sxm_80gb 8 65536 1 2 none 20368
70b a100_sxm_40gb 128 2048 4 1 ckpt 376
13b a100_sxm_40gb 8 8192 1 16 ckpt 1407
7b a100_sxm_40gb 8 16384 1 4 ckpt 2249
3b a100_sxm_40gb 8 32768 1 4 ckpt 2955
3b a100_sxm_40gb 8 8192 1 8 none 7149
760m a100_sxm_40gb 8 32768 1 4 ckpt 7183
760m a100_sxm_40gb 8 16384 1 4 none 13914
350m a100_sxm_40gb 8 32768 1 4 none 13416
125m a100_sxm_40gb 8 32768 1 4 none 32651
"""


def mpt(size, sequence):
    layers, hidden, heads = MPT[size]
    mixer = Attention(heads, heads, hidden // heads)
    ffn = FeedForward(4 * hidden, gated=False)
    groups = (Layers(layers, mixer, ffn, 2),)
    return Architecture(hidden, 50368, True, "ln_nobias", groups, pos_rows=sequence, family="mpt")


@pytest.fixture(scope="module")
def gpus():
    return load()[0].table("gpus")


def cluster(gpu, peak):
    """A GPU among whole nodes with an adapter of 400 Gbit/s for each GPU, as DGX H100 has."""
    return training_time.card(gpu, peak, gpu.max_gpus_per_node, 50 * 10**9 * gpu.max_gpus_per_node)


def seconds(arch, gpu, choice, peak=None, **more):
    work = training_time.work(arch, sum(parameters(arch).values()), choice, zero=3, **more)
    again = training_time.recomputed(choice, 1.0)
    return training_time.step(work, cluster(gpu, peak or gpu.flops["bf16"]), *again)


def errors(gpus):
    """Each published run with the error of its tokens a second."""
    found = []
    for line in RUNS.split("\n")[1:-1]:
        size, gpu, count, sequence, batch, rounds, again, speed = line.split()
        choice = ActivationChoice(
            sequence=int(sequence),
            micro_batch=int(batch),
            framework="fsdp",
            attention="flash",
            checkpointing="full" if again == "ckpt" else "none",
        )
        total = int(batch) * int(count) * int(rounds)
        step = seconds(mpt(size, int(sequence)), gpus[gpu], choice, dp=int(count), global_batch=total)
        found.append((line, step.throughput / int(count) / float(speed) - 1))
    return found


def test_llm_foundry(gpus):
    off = [abs(error) for _, error in errors(gpus)]
    assert median(off) < 0.06
    assert sorted(off)[int(0.9 * len(off))] < 0.16
    assert max(off) < 0.45


LLAMA = {"8b": (32, 4096, 14336, 32), "70b": (80, 8192, 28672, 64), "405b": (126, 16384, 53248, 128)}
# NVIDIA-NeMo/Megatron-Bridge, docs/performance-summary-archive.md@0a25f91, containers 25.11 and 26.02: Llama 3 at 8 Ki
# tokens in FP8 with one scale a tensor: model, GPU, GPUs, global batch, micro-batch, TP, PP, CP, model chunks, tokens/s
# a GPU. No constant is fitted to them.
BRIDGE = """
8b h100_sxm 8 128 1 1 1 1 1 14451
70b h100_sxm 64 128 1 4 8 1 5 1602
70b h100_sxm 64 256 1 4 8 1 5 1621
405b h100_sxm 1024 512 1 8 8 2 8 292
405b h100_sxm 1024 1536 1 8 8 2 8 311
8b b200 8 128 2 1 1 1 1 30624
405b b200 128 64 1 4 8 2 8 661
8b gb200 8 128 2 1 1 1 1 31508
70b gb200 64 256 2 1 1 1 1 4312
405b gb200 256 1536 1 4 16 1 4 813
8b gb300 8 128 2 1 1 1 1 37556
70b gb300 64 256 2 1 1 1 1 4520
405b gb300 256 1536 1 2 8 2 4 999
"""


def bridge_errors(gpus):
    """Each published run of Megatron-Bridge with the error of its tokens a second."""
    found = []
    for line in BRIDGE.split("\n")[1:-1]:
        size, gpu, *numbers = line.split()
        count, total, batch, tp, pp, cp, chunks, speed = map(int, numbers)
        layers, hidden, inter, heads = LLAMA[size]
        mixer = Attention(heads, 8, 128)
        groups = (Layers(layers, mixer, FeedForward(inter), 2),)
        arch = Architecture(hidden, 128256, False, "rms", groups, family="llama")
        choice = ActivationChoice(
            sequence=8192,
            micro_batch=batch,
            precision="fp8_mixed",
            products=products("megatron", "fp8_mixed"),
            framework="megatron",
            attention="flash",
            tp=tp,
            pp=pp,
            cp=cp,
            schedule="interleaved" if chunks > 1 else "one_f_one_b",
            chunks=chunks,
        )
        work = training_time.work(
            arch, sum(parameters(arch).values()), choice, dp=count // (tp * pp * cp), zero=1, global_batch=total
        )
        card = cluster(gpus[gpu], gpus[gpu].flops["fp8_e4m3"])
        found.append((line, training_time.step(work, card).throughput / count / speed - 1))
    return found


def test_megatron_bridge(gpus):
    """Hopper and Blackwell in FP8, off by what docs/accuracy.md states: attention there is faster than the fit's."""
    off = [abs(error) for _, error in bridge_errors(gpus)]
    assert median(off) < 0.13
    assert max(off) < 0.30


def test_torchtitan(gpus):
    """benchmarks/llama3_h100_202412: Llama-3.1-70B on 256 H100, FSDP 32 × TP 8, full checkpointing: 597 to 652 tokens/s
    a GPU in bf16, 810 to 942 in float8 with one scale a tensor. No constant was fitted to it."""
    mixer = Attention(64, 8, 128)
    groups = (Layers(80, mixer, FeedForward(28672), 2),)
    arch = Architecture(8192, 128256, False, "rms", groups, family="llama")
    choice = ActivationChoice(8192, 16, "bf16_mixed", framework="fsdp", attention="flash", checkpointing="full", tp=8)
    gpu = gpus["h100_sxm"]
    half = seconds(arch, gpu, choice, dp=32).throughput / 256
    eighth = seconds(arch, gpu, choice, gpu.flops["fp8_e4m3"], dp=32).throughput / 256
    assert 597.3 * 0.9 < half < 652.4 * 1.1
    assert 809.8 * 0.9 < eighth < 942.4 * 1.1


def test_price_of_recomputation(gpus):
    arch = architectures()["llama-3.1-8b"]
    gpu = gpus["h100_sxm"]
    ways = (("none", ""), ("full", ""), *(("selective", kind) for kind in ("attention", "operations", "products")))
    none, full, scores, every_second, products = (
        seconds(arch, gpu, ActivationChoice(4096, checkpointing=mode, selective=kind)).seconds for mode, kind in ways
    )
    assert none < scores < every_second < full < none * 4 / 3 * 1.01
    assert none < products < every_second
    half = ActivationChoice(4096, checkpointing="selective", selective="every_second_layer")
    assert training_time.recomputed(half, 1.0) == (0.5, 0.5)


def test_pipeline_waits_less_with_more_rounds_and_chunks(gpus):
    arch = architectures()["llama-3.1-8b"]
    gpu = gpus["h100_sxm"]
    plain = ActivationChoice(4096, pp=4)
    few = seconds(arch, gpu, plain, global_batch=8)
    many = seconds(arch, gpu, plain, global_batch=64)
    mixed = seconds(arch, gpu, ActivationChoice(4096, pp=4, schedule="interleaved"), global_batch=8)
    assert many.throughput > few.throughput
    assert few.bubble == pytest.approx(3 / 8 * (few.seconds - few.bubble))
    assert mixed.bubble == pytest.approx(3 / 16 * (mixed.seconds - mixed.bubble))
    assert few.communication > mixed.communication == 0, "what interleaved stages send hides behind what they compute"


def test_hosts_are_joined_by_their_network(gpus):
    """Twice the network, half of what compute does not cover; where one host holds all GPUs it is not used."""
    arch, gpu = architectures()["llama-3.1-8b"], gpus["h100_sxm"]
    choice = ActivationChoice(2048, framework="fsdp", attention="flash")
    work = training_time.work(arch, 8_030_261_248, choice, dp=16, zero=3)

    def waiting(per_host, network):
        step = training_time.step(work, training_time.card(gpu, gpu.flops["bf16"], per_host, network))
        return step.communication, step.seconds - step.communication

    (slow, busy), (fast, _) = waiting(8, 10**9), waiting(8, 2 * 10**9)
    assert slow + busy == pytest.approx(2 * (fast + busy))
    assert waiting(16, 10**9) == waiting(1 << 40, 10**11)
    rounds = [
        training_time.step(
            training_time.work(arch, 8_030_261_248, choice, dp=16, zero=zero, global_batch=16 * each, synced=synced),
            training_time.card(gpu, gpu.flops["bf16"], 8, 10**9),
        ).seconds
        for zero, synced in ((1, False), (2, True), (1, True), (2, False))
        for each in (1, 8)
    ]
    assert rounds[1] < 2 * rounds[0], "whole gradients are reduced once a step"
    assert rounds[3] == pytest.approx(8 * rounds[2], rel=0.01), "shards are scattered for every micro-batch"
    assert rounds[5] > 7 * rounds[4], "whole gradients are reduced for every micro-batch"
    assert rounds[7] < 8 * rounds[6], "only weights are gathered for every micro-batch"
    split = ActivationChoice(2048, framework="fsdp", attention="flash", tp=8)
    work = training_time.work(arch, 8_030_261_248, split, dp=2, zero=1)
    one = training_time.step(work, training_time.card(gpu, gpu.flops["bf16"], 8, 10**9))
    assert one.communication > 4 * 8_030_261_248 / 1e9 / 2, (
        "eight rings of an eighth of the gradients, over one network"
    )
    piped = ActivationChoice(2048, framework="fsdp", attention="flash", pp=2)
    works = [training_time.work(arch, 8_030_261_248, piped, dp=dp, zero=1) for dp in (1, 8)]
    cards = [training_time.card(gpu, gpu.flops["bf16"], host, 10**9) for host in (1, 8)]
    hops = [training_time.step(*pair).communication for pair in zip(works, cards, strict=True)]
    assert hops[0] == pytest.approx(2 * 2 * 4096 * 2048 / 1e9), "activations forward, gradients back, in 16 bits"
    assert hops[1] == pytest.approx(8 * hops[0]), "eight GPUs of a stage share their host's network"


def test_arrays_are_numbers(gpus):
    import numpy

    arch = architectures()["llama-3.1-8b"]
    choice = ActivationChoice(4096, checkpointing="full", tp=4)
    work = training_time.work(arch, 8_030_261_248, choice, dp=16, zero=3)
    card = cluster(gpus["h100_sxm"], gpus["h100_sxm"].flops["bf16"])
    part = numpy.linspace(0, 1, 33)
    found = training_time.step(work, card, part, part).seconds
    assert found.tolist() == [training_time.step(work, card, share, share).seconds for share in part.tolist()]
    assert (numpy.diff(found) > 0).all()


def test_mfu_is_counted_as_palm_does(gpus):
    """6 N + 12 L H Q T a token (arXiv 2204.02311, appendix B), the mask's half of attention counted."""
    arch, gpu = architectures()["llama-3.1-8b"], gpus["h100_sxm"]
    params = sum(parameters(arch).values())
    for again in ("none", "full"):
        choice = ActivationChoice(8192, framework="fsdp", attention="flash", checkpointing=again)
        step = seconds(arch, gpu, choice, dp=8, global_batch=64)
        needed = 6 * params + 12 * 32 * 4096 * 8192
        assert step.mfu == pytest.approx(needed * step.throughput / 8 / gpu.flops["bf16"])


@pytest.mark.parametrize(("count", "copies", "published"), [(8192, 64, 0.43), (16384, 128, 0.41)])
def test_llama_3_405b_as_published(count, copies, published, gpus):
    """TP 8, PP 16, 16 Mi tokens of 8 Ki, interleaved: The Llama 3 Herd of Models, arXiv 2407.21783, table 4. No
    constant is fitted to it; the goal is 15 %."""
    layers, hidden, inter, heads = LLAMA["405b"]
    mixer = Attention(heads, 8, 128)
    groups = (Layers(layers, mixer, FeedForward(inter), 2),)
    arch = Architecture(hidden, 128256, False, "rms", groups, family="llama")
    choice = ActivationChoice(
        8192, 1, "bf16_mixed", framework="megatron", attention="flash", tp=8, pp=16, schedule="interleaved", chunks=8
    )
    work = training_time.work(arch, sum(parameters(arch).values()), choice, dp=copies, zero=1, global_batch=2048)
    assert work.gpus == count
    step = training_time.step(work, cluster(gpus["h100_sxm"], gpus["h100_sxm"].flops["bf16"]))
    assert step.mfu == pytest.approx(published, rel=0.15)


def deepseek(gpus, overlap):
    """GPU hours of 14.8T tokens on 2,048 H800: PP 16, EP 64, ZeRO 1, 4,096 tokens, 15,360 sequences a step."""
    model = load()[0].models["deepseek-ai/DeepSeek-V3"]
    assert model.architecture is not None
    choice = ActivationChoice(
        4096,
        1,
        "fp8_mixed",
        framework="megatron",
        products=products("megatron", "fp8_mixed"),
        attention="flash",
        pp=16,
        ep=64,
        schedule="interleaved",
    )
    work = training_time.work(
        model.architecture,
        model.active_params,
        choice,
        dp=128,
        zero=1,
        global_batch=15360,
        overlap=overlap,
        params=model.params,
    )
    step = training_time.step(work, cluster(gpus["h800_sxm"], gpus["h800_sxm"].flops["fp8_e4m3"]))
    return 14.8e12 / step.throughput * 2048 / 3600


def test_deepseek_v3_as_published(gpus):
    """2.664M GPU hours of pre-training (arXiv 2412.19437, table 1) with experts' traffic behind computing; 20 %."""
    assert deepseek(gpus, True) == pytest.approx(2.664e6, rel=0.2)
    assert deepseek(gpus, False) > 1.5 * deepseek(gpus, True)


def test_hidden_traffic_changes_nothing_without_experts(gpus):
    arch, gpu = architectures()["llama-3.1-8b"], gpus["h100_sxm"]
    choice = ActivationChoice(4096, framework="megatron", tp=2, pp=2)
    plain, hidden = (seconds(arch, gpu, choice, dp=4, overlap=overlap).seconds for overlap in (False, True))
    assert plain == hidden


def test_qlora_pays_for_unpacking_its_base(gpus):
    """2.52 bytes a parameter, forward and backward, of every micro-batch, which large ones hardly feel."""
    arch, gpu = architectures()["llama-3.1-8b"], gpus["a100_sxm_80gb"]

    def longer(batch):
        times = [
            seconds(arch, gpu, ActivationChoice(1024, batch, method=method), trained_params=41_943_040).seconds
            for method in ("lora", "qlora")
        ]
        return times[1] - times[0], times[1] / times[0]

    (one, much), (many, little) = longer(1), longer(16)
    inside = sum(parameters(arch).values()) - 2 * arch.vocab * arch.hidden
    assert one == pytest.approx(2.52 * 2 * inside / (gpu.bandwidth * 0.5), rel=0.01)
    assert many == pytest.approx(one, rel=0.01)
    assert much > 1.1 and little < 1.05


def test_what_is_offloaded_takes_its_way_over_the_bus_and_the_host_s_step(gpus):
    """8B on 8 GPUs: each moves an eighth of gradients and weights at 25 GB/s, the host updates 1e9 of 8B a second."""
    arch, gpu = architectures()["llama-3.1-8b"], gpus["h100_sxm"]
    choice = ActivationChoice(4096, framework="deepspeed")
    on, off = (seconds(arch, gpu, choice, dp=8, offload=offload).seconds for offload in ("none", "optimizer"))
    params = sum(parameters(arch).values())
    assert off - on == pytest.approx(2 * 2 * params / 8 / 25e9 + params / 1e9, rel=0.01)


def estimated(folder: Path, text: str) -> Candidate:
    """Return the one workload of a plan with nothing left open."""
    path = folder / "plan.mem"
    path.write_text(text)
    loaded = load_plan(str(path))
    assert loaded.problem is not None, loaded.findings
    return estimate(loaded.problem, loaded.catalog).workloads[0].chosen


@pytest.mark.parametrize(
    ("gpus", "context", "tokens", "batch", "flops"),
    [(8192, 1, "8Ki", 2048, 430), (16384, 1, "8Ki", 2048, 400), (16384, 16, "128Ki", 128, 380)],
)
def test_llama_3_405b_as_a_plan(tmp_path: Path, gpus: int, context: int, tokens: str, batch: int, flops: int) -> None:
    """Model FLOPs of a GPU by arXiv 2407.21783, table 4: tensor 8, pipeline 16, no recomputation; one layer to each
    part of the model (section 3.3.2: the first has the embedding alone, the last the head), so 8 parts on a stage.
    Nothing is fitted to these runs; within 15 % is what is asked of them, and the third is the one that is 12 % off.
    The network is that of AWS' hosts, the paper's is 400 Gbit/s a GPU as well."""
    found = estimated(
        tmp_path,
        f"""edition 2026
training pre {{
  model = "meta-llama/Llama-3.1-405B"
  framework = megatron
  sequence = {tokens} tokens
  global_batch = {batch}
  gpu = h100_sxm
  offer = "aws/us-east-1/p5.48xlarge"
  gpus = {gpus}
  tensor_parallel = 8
  context_parallel = {context}
  pipeline_parallel = 16
  schedule = interleaved
  virtual_stages = 8
  zero = 1
}}
""",
    )
    mfu = found.outcomes["mfu_expected"]
    assert mfu is not None
    assert float(mfu) == pytest.approx(flops / 989.4, rel=0.15)


def test_more_parts_on_a_stage_wait_less_and_hold_less(tmp_path: Path) -> None:
    """Bubbles are (p - 1) / (v m) of the time (arXiv 2104.04473, section 2.2), and p + (p - 1) / v micro-batches are in
    flight (2205.05198, section 4.2.3)."""
    plan = """edition 2026
training pre {{
  model = "meta-llama/Llama-3.1-8B"
  framework = megatron
  sequence = 4Ki tokens
  global_batch = 64
  gpu = h100_sxm
  offer = "aws/us-east-1/p5.48xlarge"
  gpus = 8
  pipeline_parallel = 8
  schedule = interleaved
  virtual_stages = {parts}
}}
"""
    two, four = (estimated(tmp_path, plan.format(parts=parts)) for parts in (2, 4))
    assert float(four.outcomes["mfu"] or 0) > float(two.outcomes["mfu"] or 0)
    assert four.parts["activations"] < two.parts["activations"]
    model = load()[0].find_model("meta-llama/Llama-3.1-8B")
    assert isinstance(model, Model)
    megatron = load()[0].frameworks["megatron"]
    layout = Layout(data=1, tensor=1, pipeline=8, context=1, expert=1, zero=0)
    assert [len(list(training_faults(model, megatron, layout, parts=parts))) for parts in (1, 4, 5)] == [0, 0, 1]


def test_more_work_takes_no_less_time(gpus):
    """What is sent all along and what is sent once go over one link: no compute hides both at once."""
    arch, gpu = architectures()["llama-3.1-8b"], gpus["h100_sxm"]
    choices = [
        ActivationChoice(sequence, framework=framework, attention="flash", checkpointing="full")
        for framework in ("transformers", "fsdp", "megatron")
        for sequence in (512, 2048, 8192, 16384, 65536)
    ]
    for zero in range(4):
        for network in (10**8, 10**9, 10**10, 10**11):
            found = []
            for choice in choices:
                work = training_time.work(arch, 8_030_261_248, choice, dp=16, zero=zero, global_batch=32)
                card = training_time.card(gpu, gpu.flops["bf16"], 8, network)
                found.append(training_time.step(work, card).seconds)
                assert training_time.sent(work, card) <= found[-1] * (1 + 1e-9)
            for start in range(0, len(found), 5):
                row = found[start : start + 5]
                assert all(more >= less * (1 - 1e-9) for less, more in pairwise(row)), (zero, network, row)


def test_what_a_mixture_gathers_and_reduces_is_all_of_it(gpus):
    """Where the network decides, ZeRO 3 takes a time in proportion to all parameters; with experts split over ranks to
    those of a rank."""
    found = {}
    for name in ("Qwen/Qwen3-32B", "Qwen/Qwen3-30B-A3B", "mistralai/Mixtral-8x7B-v0.1"):
        model = load()[0].find_model(name)
        assert isinstance(model, Model)
        assert model.architecture is not None
        for ep in (1, 8):
            choice = ActivationChoice(4096, framework="deepspeed", attention="flash", checkpointing="full", ep=ep)
            work = training_time.work(
                model.architecture, model.active_params, choice, dp=64, zero=3, params=model.params, global_batch=64
            )
            slow = training_time.card(gpus["h200_sxm"], gpus["h200_sxm"].flops["bf16"], 8, 10**9)
            found[name, ep] = training_time.step(work, slow).seconds / model.params
    dense = found["Qwen/Qwen3-32B", 1]
    for name in ("Qwen/Qwen3-30B-A3B", "mistralai/Mixtral-8x7B-v0.1"):
        assert found[name, 1] == pytest.approx(dense, rel=0.02)
        assert found[name, 8] < found[name, 1]


def test_a_window_is_a_mask_to_pytorch_s_own_attention(gpus):
    """Beside a mask all of a sequence is computed; flash attention computes what a window holds."""
    model = load()[0].find_model("mistralai/Mistral-7B-v0.1")
    assert isinstance(model, Model)
    arch = model.architecture
    assert arch is not None

    def attention(sequence, kernel):
        choice = ActivationChoice(sequence, attention=kernel)
        work = training_time.work(arch, model.active_params, choice)
        step = training_time.step(work, cluster(gpus["h200_sxm"], gpus["h200_sxm"].flops["bf16"]))
        return step.attention / sequence, step.mfu * step.seconds / sequence

    assert attention(4096, "sdpa") == attention(4096, "flash"), "no longer than the window"
    long, flash = attention(32768, "sdpa"), attention(32768, "flash")
    assert long[0] == pytest.approx(16 * attention(4096, "sdpa")[0]), "all of eight times the length, not half of it"
    assert flash[0] == pytest.approx((2 - 1 / 8) * attention(4096, "flash")[0])
    assert long[1] == pytest.approx(flash[1]), "MFU counts the same"
