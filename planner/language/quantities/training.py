"""What a plan gives of a training: its batch, its framework and that framework's settings."""

from __future__ import annotations

from planner.language.quantities.quantity import TRAINING, Quantity, Role, count, number, word

GIVEN: tuple[tuple[str, ...], Role] = ((TRAINING,), "given")

TRAINED: tuple[Quantity, ...] = (
    number("sequence", *GIVEN, "tokens", "Tokens of a training sequence.", low=1, high=2**27, whole=True, powers=True),
    number(
        "global_batch",
        *GIVEN,
        None,
        "Sequences of one optimizer step.",
        low=1,
        high=10**9,
        whole=True,
        unsaid="data_parallel * micro_batch",
        judged=True,
    ),
    number("tokens", *GIVEN, "tokens", "Tokens to train on.", low=1, high=10**18, whole=True),
    number("interruptions", *GIVEN, None, "How often a day a run on spot is interrupted."),
    number(
        "lost_per_interruption",
        *GIVEN,
        "s",
        "What an interruption costs: the work since the last checkpoint, and the time until the run goes on.",
    ),
    word(
        "attention",
        *GIVEN,
        {
            "flash": "A fused kernel that never keeps the scores.",
            "sdpa": "PyTorch's scaled_dot_product_attention, which takes the best kernel it can.",
            "eager": "Attention operation by operation: every score is kept for the backward pass.",
        },
        "sdpa",
        "The attention kernel.",
    ),
    Quantity("framework", *GIVEN, "framework", "The training framework.", default="transformers"),
    # Fused unless said: the Trainer's adamw_torch_fused (torch 2.8 and newer), torchtitan, DeepSpeed's FusedAdam where
    # torch_adam is unset (deepspeed/runtime/engine.py, _configure_basic_optimizer), and Megatron's FusedAdam of
    # Transformer Engine or apex (NVIDIA/Megatron-LM@0044db1f megatron/core/optimizer/__init__.py).
    word(
        "optimizer_kernel",
        *GIVEN,
        {
            "fused": "One kernel for the whole step.",
            "foreach": "Steps on lists of tensors: fast, with temporaries as large as the lists.",
            "for_loop": "Tensor by tensor: slow, with the smallest temporaries.",
        },
        "fused",
        "Optimizer kernel: one fused kernel, lists of tensors, or a loop.",
    ),
    count(
        "fsdp_version",
        *GIVEN,
        "Which FSDP shards: PyTorch's first (1) or `fully_shard` (2).",
        high=2,
        unsaid="2 in fsdp, 1 in transformers (accelerate's own default)",
        judged=True,
    ),
    Quantity(
        "sync_each_batch",
        *GIVEN,
        "boolean",
        "Whether gradients are reduced after every micro-batch, or whole ones add up until the last.",
        unsaid=(
            "false in transformers, and in fsdp with `fsdp_version = 1` (accelerate's own default); "
            "true in fsdp (torchtitan), deepspeed and megatron"
        ),
        judged=True,
    ),
    word(
        "deepspeed_sizes",
        *GIVEN,
        {
            "defaults": "DeepSpeed's own defaults.",
            "auto": "What the Trainer puts for `auto`: sizes that follow from the width of the model.",
        },
        "defaults",
        "Source of the DeepSpeed sizes that the plan does not state.",
    ),
    count(
        "reduce_bucket_size",
        *GIVEN,
        "Gradients that DeepSpeed reduces at once.",
        high=10**12,
        unsaid="500000000 (DeepSpeed's default), or hidden * hidden with `deepspeed_sizes = auto`",
        judged=True,
        group="deepspeed_sizes",
    ),
    count(
        "sub_group_size",
        *GIVEN,
        "Parameters that DeepSpeed's ZeRO 3 updates at once.",
        high=10**15,
        unsaid="1000000000 (DeepSpeed's default)",
        judged=True,
        group="deepspeed_sizes",
    ),
    count(
        "stage3_max_live_parameters",
        *GIVEN,
        "Parameters that ZeRO 3 gathers ahead at most.",
        low=0,
        high=10**12,
        unsaid="1000000000 (DeepSpeed's default)",
        judged=True,
        group="deepspeed_sizes",
    ),
    count(
        "stage3_max_reuse_distance",
        *GIVEN,
        "ZeRO 3 keeps a gathered weight that is used again within so many parameters.",
        low=0,
        high=10**12,
        unsaid="1000000000 (DeepSpeed's default)",
        judged=True,
        group="deepspeed_sizes",
    ),
    count(
        "stage3_prefetch_bucket_size",
        *GIVEN,
        "Parameters that ZeRO 3 gathers ahead at once.",
        low=0,
        high=10**12,
        unsaid="50000000 (DeepSpeed's default), or 0.9 * hidden * hidden with `deepspeed_sizes = auto`",
        judged=True,
        group="deepspeed_sizes",
    ),
    Quantity(
        "overlap_comm",
        *GIVEN,
        "boolean",
        "Whether DeepSpeed's ZeRO 1 and 2 reduce while backward runs, with a second bucket.",
        default=False,
    ),
    count("lora_rank", *GIVEN, "The rank of LoRA's adapters.", high=1024, default=16, group="adapters"),
    word(
        "lora_targets",
        *GIVEN,
        {
            "attention": "Adapters at the query, key, value and output projections.",
            "all_linear": "Adapters at every linear layer of a block.",
            "q_proj": "Adapters at the query projection.",
            "k_proj": "Adapters at the key projection.",
            "v_proj": "Adapters at the value projection.",
            "o_proj": "Adapters at the output projection.",
            "gate_proj": "Adapters at the gate of the feed-forward part.",
            "up_proj": "Adapters at the widening projection of the feed-forward part.",
            "down_proj": "Adapters at the narrowing projection of the feed-forward part.",
        },
        "all_linear",
        "What LoRA adapts: attention, all_linear, or a set of projections (kept as `k_proj,q_proj`).",
        group="adapters",
        type="words",
    ),
    number("lora_dropout", *GIVEN, None, "LoRA's dropout.", high=1, default=0, share=True, group="adapters"),
    word(
        "lora_precision",
        *GIVEN,
        {"fp32": "Adapters in 32 bits, as peft keeps them.", "bf16": "Adapters in 16 bits."},
        "fp32",
        "The format of LoRA's adapters: peft's is fp32.",
        group="adapters",
    ),
    Quantity(
        "use_dora",
        *GIVEN,
        "boolean",
        "Whether LoRA is DoRA: a trained magnitude for each output, over the norm of the weight that it adapts.",
        default=False,
        group="adapters",
    ),
    word(
        "loss_precision",
        *GIVEN,
        {
            "fp32": "The loss is computed in 32 bits.",
            "bf16": "The loss is computed in bf16; small differences are lost.",
            "fp16": "The loss is computed in fp16; small differences are lost.",
        },
        "fp32",
        "The format of the loss.",
    ),
    word(
        "gradient_precision",
        *GIVEN,
        {
            "fp32": "Gradients accumulate in 32 bits: four bytes a parameter.",
            "bf16": "Gradients in bf16, which has fp32's range.",
            "fp16": "Gradients in fp16: small ones become zero.",
        },
        None,
        "The format of gradients; fsdp reduces in it.",
        unsaid=(
            "fp32 in mixed precision, but 16 bits in deepspeed and in transformers under FSDP; else "
            "the weights' format; in LoRA the adapters' format"
        ),
        judged=True,
    ),
    word(
        "loss",
        *GIVEN,
        {
            "standard": "All logits are kept, upcast, and their gradients beside them.",
            "fused": "Fused with the head: no logits are kept.",
            "chunked": "The logits of a piece of the sequence at a time.",
        },
        "standard",
        "How logits become a loss: whole, fused with the head so that no logits are kept, or in pieces.",
    ),
    word(
        "selective",
        *GIVEN,
        {
            "attention": "Attention's core is recomputed: scores, softmax, the product with values (Megatron-LM).",
            "operations": (
                "All but attention's output and every second matrix product is recomputed (torchtitan's `op`)."
            ),
            "products": (
                "All but attention's output and every matrix product is recomputed (PyTorch's selective contexts)."
            ),
            "every_second_layer": "Every second layer is recomputed, whole (torchtitan's `2`).",
        },
        None,
        "What `checkpointing = selective` is: what of the activations is recomputed.",
        unsaid="attention in megatron, operations in fsdp (torchtitan), else products (PyTorch's own)",
        judged=True,
    ),
    word(
        "schedule",
        *GIVEN,
        {
            "one_f_one_b": "One forward, one backward (1F1B): as many micro-batches in flight as stages.",
            "gpipe": "All forward passes, then all backward passes: every micro-batch is in flight.",
            "interleaved": "1F1B with several parts of the model on a stage: smaller bubbles, more in flight.",
        },
        "one_f_one_b",
        "How a pipeline orders its micro-batches (1F1B, GPipe, interleaved 1F1B): so many are in flight.",
    ),
    count(
        "virtual_stages",
        *GIVEN,
        "Parts of the model on each stage of an interleaved pipeline: smaller bubbles, more sent, more in flight.",
        low=2,
        high=128,
        default=2,
    ),
    word(
        "preference",
        *GIVEN,
        {
            "none": "No preference tuning: the model learns from the text alone.",
            "dpo": "Pairs of sequences, and a frozen reference model beside the trained one.",
        },
        "none",
        "Preference tuning: pairs of sequences, and a frozen reference model beside the trained one.",
    ),
    Quantity(
        "packing",
        *GIVEN,
        "boolean",
        "Whether sequences are packed from documents that a mask keeps apart.",
        default=False,
    ),
    word(
        "frozen",
        *GIVEN,
        {
            "embedding": "The embedding is not trained.",
            "head": "The head is not trained.",
            "attention": "The mixers are not trained.",
            "mlp": "The feed-forward parts are not trained.",
            "router": "The routers of the experts are not trained.",
            "norm": "The norms are not trained.",
        },
        "",
        "Parts that are not trained (kept as `embedding,head`).",
        type="words",
    ),
    Quantity(
        "expert_overlap",
        *GIVEN,
        "boolean",
        "Whether tokens travel to experts and back behind the computing of others (DualPipe), on a part of each GPU.",
        default=False,
    ),
    Quantity(
        "offload_activations",
        *GIVEN,
        "boolean",
        "Whether what is kept for backward waits in host memory.",
        default=False,
    ),
)
"""In the order in which they are listed."""
