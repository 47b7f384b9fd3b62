"""What a plan gives of an inference: its load, its engine and that engine's settings."""

from __future__ import annotations

from fractions import Fraction

from planner.language.quantities.quantity import INFERENCE, Quantity, Role, count, number, word

GIVEN: tuple[tuple[str, ...], Role] = ((INFERENCE,), "given")

SERVED: tuple[Quantity, ...] = (
    number(
        "context",
        *GIVEN,
        "tokens",
        "Prompt and output together, per sequence.",
        low=1,
        high=2**32,
        whole=True,
        powers=True,
    ),
    number(
        "concurrency",
        *GIVEN,
        None,
        "Sequences of `context` resident on each replica.",
        low=1,
        high=1_000_000,
        whole=True,
        unsaid="total_concurrency / replicas, rounded up",
    ),
    number(
        "total_concurrency",
        *GIVEN,
        None,
        "Sequences of `context` resident on all replicas together, instead of `concurrency`.",
        low=1,
        high=1_000_000,
        whole=True,
    ),
    count(
        "copies",
        *GIVEN,
        "Identical workloads of this name; an answer may choose for them differently.",
        high=1_000_000,
        default=1,
    ),
    Quantity("engine", *GIVEN, "engine", "The serving engine.", default="vllm"),
    Quantity(
        "engine_version",
        *GIVEN,
        "text",
        "The engine's version.",
        unsaid="the newest release in the catalog",
        judged=True,
    ),
    Quantity(
        "gpu_memory_utilization",
        *GIVEN,
        "number",
        "The engine's share of usable memory.",
        low=Fraction(1, 100),
        high=Fraction(1),
        unsaid="what the engine takes by itself",
        judged=True,
        share=True,
        group="engine",
    ),
    number(
        "max_sequences",
        *GIVEN,
        None,
        "The engine's largest batch of sequences.",
        low=1,
        high=1_000_000,
        whole=True,
        unsaid="what the engine takes by itself, at least `concurrency` where it limits what runs at once",
        judged=True,
        group="engine",
    ),
    number(
        "max_batched_tokens",
        *GIVEN,
        "tokens",
        "The engine's tokens per forward pass.",
        low=1,
        high=2**32,
        whole=True,
        unsaid="what the engine takes by itself",
        judged=True,
        powers=True,
        group="engine",
    ),
    number(
        "prompt",
        *GIVEN,
        "tokens",
        "Tokens of a prompt.",
        low=1,
        high=2**32,
        whole=True,
        unsaid="context - output, the whole context where `output` is not mentioned either",
        powers=True,
    ),
    number("output", *GIVEN, "tokens", "Tokens of an answer.", high=2**32, whole=True, powers=True, group="text"),
    number("demand", *GIVEN, "req/s", "Requests per second the service must sustain.", high=1_000_000, group="text"),
    number(
        "burstiness",
        *GIVEN,
        None,
        "Squared coefficient of variation of the gaps between requests: 1 of Poisson arrivals, 0 of a metronome.",
        high=1000,
        default=1,
    ),
    number(
        "shared_prefix",
        *GIVEN,
        "tokens",
        "Tokens all sequences begin with, stored once.",
        high=2**32,
        whole=True,
        default=0,
    ),
    number(
        "vision_tokens",
        *GIVEN,
        "tokens",
        "Image tokens a cross-attention layer keeps.",
        high=2**32,
        whole=True,
        default=0,
    ),
    Quantity(
        "draft_model", *GIVEN, "model", "The model that drafts for speculative decoding.", default="", group="text"
    ),
    number(
        "adapters", *GIVEN, None, "LoRA adapters kept beside the model at once.", high=1_000_000, whole=True, default=0
    ),
    number(
        "adapter_rank", *GIVEN, None, "The largest rank of those adapters.", low=1, high=2**16, whole=True, default=16
    ),
    number(
        "offloaded_weights",
        *GIVEN,
        "bytes",
        "Weights of each GPU kept in host memory.",
        high=2**50,
        whole=True,
        default=0,
        group="offloaded",
    ),
    number(
        "offloaded_cache",
        *GIVEN,
        "bytes",
        "Host memory for each GPU's finished cache blocks (prefixes).",
        high=2**50,
        whole=True,
        default=0,
        group="offloaded",
    ),
    word(
        "task",
        *GIVEN,
        {
            "generate": "Text after a prompt; its cache lives as long as the request.",
            "embed": "A vector of a prompt, by a decoder: nothing is sampled, and a cache lives for a batch.",
            "rerank": "A score of a prompt, likewise.",
        },
        "generate",
        "What a request asks for: text, or an embedding or a score of its prompt alone.",
    ),
    word(
        "sampler",
        *GIVEN,
        {
            "native": "Sampling as vLLM does it alone: it sorts the logits.",
            "flashinfer": "Sampling by FlashInfer's kernels, which do not sort.",
        },
        "native",
        "How vLLM samples: by sorting, or not.",
    ),
    word(
        "attention_parallel",
        *GIVEN,
        {
            "tensor": "A tensor group splits attention by heads.",
            "data": "A tensor group splits attention by sequences: each GPU has all heads of its own.",
        },
        "tensor",
        "Attention by heads or sequences.",
    ),
    Quantity("cuda_graphs", *GIVEN, "boolean", "Whether the engine captures CUDA graphs.", default=True),
    word(
        "all_to_all",
        *GIVEN,
        {
            "gather": "Every rank gathers the tokens of all: no buffers beside the forward pass.",
            "deepep": "DeepEP's kernels for throughput: a buffer of 1 GiB.",
            "deepep_low_latency": "DeepEP's kernels for latency: 1 GiB, and a place for each token of each expert.",
        },
        "gather",
        "How tokens reach experts of ranks that have sequences of their own.",
    ),
    Quantity("images", *GIVEN, "boolean", "Whether a model with an encoder serves images.", default=True),
)
"""In the order in which they are listed."""
