"""What the words mean that a quantity can be: one line for each, as `planner explain` says it."""

from __future__ import annotations

MEANINGS: dict[str, dict[str, str]] = {
    "task": {
        "generate": "Text after a prompt; its cache lives as long as the request.",
        "embed": "A vector of a prompt, by a decoder: nothing is sampled, and a cache lives for a batch.",
        "rerank": "A score of a prompt, likewise.",
    },
    "sampler": {
        "native": "Sampling as vLLM does it alone: it sorts the logits.",
        "flashinfer": "Sampling by FlashInfer's kernels, which do not sort.",
    },
    "attention_parallel": {
        "tensor": "A tensor group splits attention by heads.",
        "data": "A tensor group splits attention by sequences: each GPU has all heads of its own.",
    },
    "all_to_all": {
        "gather": "Every rank gathers the tokens of all: no buffers beside the forward pass.",
        "deepep": "DeepEP's kernels for throughput: a buffer of 1 GiB.",
        "deepep_low_latency": "DeepEP's kernels for latency: 1 GiB, and a place for each token of each expert.",
    },
    "attention": {
        "flash": "A fused kernel that never keeps the scores.",
        "sdpa": "PyTorch's scaled_dot_product_attention, which takes the best kernel it can.",
        "eager": "Attention operation by operation: every score is kept for the backward pass.",
    },
    "framework": {
        "transformers": "Hugging Face's Trainer: mixed precision is autocast over fp32 weights.",
        "fsdp": "PyTorch's fully sharded data parallel.",
        "deepspeed": "DeepSpeed: bf16 weights and an fp32 master copy, split by ZeRO.",
        "megatron": "Megatron: bf16 weights and an fp32 master copy.",
    },
    "optimizer_kernel": {
        "fused": "One kernel for the whole step.",
        "foreach": "Steps on lists of tensors: fast, with temporaries as large as the lists.",
        "for_loop": "Tensor by tensor: slow, with the smallest temporaries.",
    },
    "deepspeed_sizes": {
        "defaults": "DeepSpeed's own defaults.",
        "auto": "What the Trainer puts for `auto`: sizes that follow from the width of the model.",
    },
    "lora_targets": {
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
    "lora_precision": {"fp32": "Adapters in 32 bits, as peft keeps them.", "bf16": "Adapters in 16 bits."},
    "loss_precision": {
        "fp32": "The loss is computed in 32 bits.",
        "bf16": "The loss is computed in bf16; small differences are lost.",
        "fp16": "The loss is computed in fp16; small differences are lost.",
    },
    "gradient_precision": {
        "fp32": "Gradients accumulate in 32 bits: four bytes a parameter.",
        "bf16": "Gradients in bf16, which has fp32's range.",
        "fp16": "Gradients in fp16: small ones become zero.",
    },
    "loss": {
        "standard": "All logits are kept, upcast, and their gradients beside them.",
        "fused": "Fused with the head: no logits are kept.",
        "chunked": "The logits of a piece of the sequence at a time.",
    },
    "selective": {
        "attention": "Attention's core is made again: scores, softmax, the product with values (Megatron-LM).",
        "operations": "All but attention's output and every second matrix product is made again (torchtitan's `op`).",
        "products": "All but attention's output and every matrix product is made again (PyTorch's selective contexts).",
        "every_second_layer": "Every second layer is made again, whole (torchtitan's `2`).",
    },
    "schedule": {
        "one_f_one_b": "One forward, one backward (1F1B): as many micro-batches in flight as stages.",
        "gpipe": "All forward passes, then all backward passes: every micro-batch is in flight.",
        "interleaved": "1F1B with several parts of the model on a stage: smaller bubbles, more in flight.",
    },
    "preference": {
        "none": "No preference tuning: the model learns from the text alone.",
        "dpo": "Pairs of sequences, and a frozen reference model beside the trained one.",
    },
    "frozen": {
        "embedding": "The embedding is not trained.",
        "head": "The head is not trained.",
        "attention": "The mixers are not trained.",
        "mlp": "The feed-forward parts are not trained.",
        "router": "The routers of the experts are not trained.",
        "norm": "The norms are not trained.",
    },
    "quantization": {
        "ptq": "Quantized after training.",
        "qat": "Trained with its rounding in the loop, which loses less.",
    },
    "market": {
        "on_demand": "Rented by the hour, for as long as it is wanted.",
        "reserved_1y": "Committed to for one year, at a lower price an hour.",
        "reserved_3y": "Committed to for three years, at a lower price an hour.",
        "spot": "Spare capacity at a lower price, which the provider may take back.",
    },
    "method": {
        "full": "All weights are trained: gradients and states of all of them.",
        "lora": "Low-rank adapters are trained beside frozen weights: gradients and states of the adapters alone.",
        "qlora": "LoRA over a frozen base that is kept in NF4.",
        "qat": "All weights are trained with their rounding in the loop.",
    },
    "precision": {
        "fp32": "Weights, products and states in 32 bits.",
        "bf16": "Pure bf16: no master copy; small updates are lost to rounding.",
        "fp16_mixed": "Products in fp16 with a scaled loss, over weights of high precision.",
        "bf16_mixed": "Products in bf16, over weights of high precision as the framework keeps them.",
        "fp8_mixed": "Matrix products in 8-bit floats; master weights, norms and the loss are wider.",
        "int8": "Matrix products in 8-bit integers; what is accumulated is wider.",
    },
    "optimizer": {
        "sgd": "Stochastic gradient descent: no state.",
        "sgd_momentum": "SGD with momentum: one state a parameter.",
        "adam": "Adam: two states a parameter.",
        "adamw": "Adam with decoupled weight decay: two states a parameter.",
        "adamw_8bit": "AdamW with two states of one byte a parameter, and their block scales.",
        "paged_adamw_8bit": "adamw_8bit whose states move to host memory under pressure.",
        "adafactor": "A row and a column of states a matrix.",
        "lion": "Lion: one state a parameter.",
        "muon": "Muon: one state a parameter of the matrices, and an orthogonalized update.",
    },
    "checkpointing": {
        "none": "Every activation is kept for the backward pass.",
        "selective": "What is large and cheap is computed again; see `selective`.",
        "full": "Only a layer's input is kept, and the layer runs forward again; see `checkpointed_layers`.",
    },
    "offload": {
        "none": "Everything stays on the GPU.",
        "optimizer": "The optimizer's states are kept in host memory.",
        "parameters": "The parameters and the optimizer's states are kept in host memory.",
    },
}
"""By quantity and word. Formats, GPUs, models and offers have catalogs of their own."""
