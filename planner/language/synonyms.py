"""The field's other names for what a plan calls otherwise: engines' and trainers' options, and what people say."""

from __future__ import annotations

from planner.record import dataclass


@dataclass(frozen=True, slots=True)
class Other:
    """What another name means: by workload kind the quantity, "" where there is none, and a note beside it."""

    inference: str
    training: str
    note: str = ""


def _same(names: str, quantity: str, note: str = "") -> dict[str, Other]:
    return {name: Other(quantity, quantity, note) for name in names.split()}


def _served(names: str, quantity: str, note: str = "") -> dict[str, Other]:
    return {name: Other(quantity, "", note) for name in names.split()}


def _trained(names: str, quantity: str, note: str = "") -> dict[str, Other]:
    return {name: Other("", quantity, note) for name in names.split()}


RATE = "requests per second: demand = 5 req/s"
MONEY = "cost <= $5/h bounds it"
STEPS = "global_batch / (micro_batch * data_parallel) are the accumulation steps"

OTHER_NAMES: dict[str, Other] = {
    **_same("tp tensor_parallel_size tp_size tensor_model_parallel_size num_shard", "tensor_parallel"),
    **_same("pp pipeline_parallel_size pp_size pipeline_model_parallel_size stages", "pipeline_parallel"),
    **_same("ep expert_parallel_size ep_size moe_expert_parallel_size", "expert_parallel"),
    **_trained("cp context_parallel_size sequence_parallel", "context_parallel"),
    "dp": Other("replicas", "data_parallel"),
    "data_parallel_size": Other("replicas", "data_parallel"),
    "dp_size": Other("replicas", "data_parallel"),
    "data_parallel": Other("replicas", ""),
    "instances": Other("replicas", ""),
    "batch_size": Other("concurrency", "global_batch"),
    "batch": Other("concurrency", "global_batch"),
    **_trained("train_batch_size", "global_batch"),
    **_trained("micro_batch_size per_device_train_batch_size train_micro_batch_size_per_gpu mbs", "micro_batch"),
    **_trained("global_batch_size gbs", "global_batch"),
    **_trained(
        "gradient_accumulation gradient_accumulation_steps accumulation_steps grad_accum", "global_batch", STEPS
    ),
    **_served("users parallel sessions conversations", "concurrency", "sequences held at once, not people"),
    **_served("max_num_seqs max_running_requests max_batch_size", "max_sequences"),
    **_served("max_num_batched_tokens chunked_prefill_size", "max_batched_tokens"),
    **_served("gpu_memory_fraction mem_fraction_static", "gpu_memory_utilization"),
    "max_model_len": Other("context", "sequence"),
    "context_length": Other("context", "sequence"),
    "ctx": Other("context", "sequence"),
    "ctx_size": Other("context", "sequence"),
    "n_ctx": Other("context", "sequence"),
    "max_seq_len": Other("context", "sequence"),
    "max_seq_length": Other("context", "sequence"),
    "max_length": Other("context", "sequence"),
    "seq_len": Other("context", "sequence"),
    "seq_length": Other("context", "sequence"),
    "sequence_length": Other("context", "sequence"),
    "sequence_len": Other("context", "sequence"),
    "cutoff_len": Other("context", "sequence"),
    **_served("input input_tokens input_length isl prompt_tokens", "prompt"),
    **_served("output_tokens output_length osl max_tokens max_new_tokens", "output"),
    "dtype": Other("weights", "precision"),
    "torch_dtype": Other("weights", "precision"),
    "mixed_precision": Other("weights", "precision"),
    **_served("quant load_in_4bit wbits", "weights", "its number format, such as int4_awq"),
    **_served("kv_cache_dtype cache_dtype kv_dtype cache_type_k kv", "kv_cache"),
    **_served("max_lora_rank lora_rank", "adapter_rank"),
    **_served("max_loras max_loras_per_batch loras lora_modules lora_adapters", "adapters", "how many at once"),
    **_served(
        "enable_prefix_caching prefix_caching system_prompt common_prefix",
        "shared_prefix",
        "the tokens that all sequences begin with",
    ),
    **_served(
        "speculative speculative_model speculative_config num_speculative_tokens assistant_model",
        "draft_model",
        "the model that drafts",
    ),
    **_same("vram gpu_memory gpu_ram mem", "memory"),
    **_same("budget price max_cost max_price cost_per_hour hourly_cost", "cost", MONEY),
    **_served("rps qps request_rate requests_per_second", "demand", RATE),
    **_served("trace trace_file", "traffic", 'traffic = csv("trace.csv")'),
    **_served("itl inter_token_latency time_per_output_token", "tpot"),
    **_served("latency", "tpot", "time per output token; ttft is the time to the first"),
    **_served("time_to_first_token first_token_latency", "ttft"),
    **_same("tps tokens_per_second", "throughput"),
    **_same("gpu_type accelerator card hardware instance_gpu", "gpu"),
    **_same("gpu_count num_gpus n_gpus ngpu n_gpu world_size", "gpus"),
    **_same("cloud vendor", "provider"),
    **_same("zone location", "region"),
    **_same("instance instance_type", "offer"),
    **_same("spot preemptible", "market", "market = spot"),
    **_same("commitment reservation reserved", "market", "market = reserved_1y or reserved_3y"),
    **_same("accuracy recovery min_quality", "quality", "quality >= 97%"),
    **_trained("epochs num_epochs num_train_epochs max_steps", "tokens", "the tokens of all epochs together"),
    **_trained("zero_stage sharding", "zero"),
    **_trained(
        "sharding_strategy fsdp_sharding_strategy",
        "zero",
        "FULL_SHARD is 3, SHARD_GRAD_OP 2; HYBRID_SHARD is 3 with shard_replicas",
    ),
    **_trained("reshard_after_forward fsdp_reshard_after_forward", "zero", "3 where it is true, else 2"),
    **_trained("lora_r r", "lora_rank"),
    **_trained("dora peft_use_dora", "use_dora"),
    **_trained("bnb_4bit_quant_type", "method", "method = qlora is 4 bit, by bitsandbytes"),
    **_trained("target_modules lora_target_modules", "lora_targets"),
    **_trained(
        "gradient_checkpointing activation_checkpointing recompute recompute_granularity",
        "checkpointing",
        "none, selective or full",
    ),
    **_trained("attn_implementation attention_implementation", "attention"),
    **_trained("optim", "optimizer"),
    **_trained("cpu_offload", "offload"),
    **_trained("time max_duration", "duration"),
    "checkpoint": Other("model", "model", 'model m = checkpoint("path"), declared before the workload'),
    "model_name": Other("model", "model"),
    "model_id": Other("model", "model"),
    "model_name_or_path": Other("model", "model"),
}
"""By the name that is typed: options of vLLM, SGLang, TensorRT-LLM, llama.cpp, transformers, DeepSpeed, Megatron,
axolotl and LLaMA-Factory as their command lines and configurations spell them, and words of conversation."""

OTHER_WORDS: dict[str, dict[str, str]] = {
    "optimizer": {
        "adamw_torch": "adamw",
        "adamw_torch_fused": "adamw",
        "adamw_hf": "adamw",
        "adamw_bnb_8bit": "adamw_8bit",
        "paged_adamw": "paged_adamw_32bit",
    },
}
"""By quantity: words of `optim` in the TrainingArguments of transformers, and the same optimizer here."""


def meant(name: str, kind: str) -> tuple[str, str]:
    """Return the quantity of a kind of workload that another name means, and a note; empty where there is none."""
    other = OTHER_NAMES.get(name.casefold())
    if other is None:
        return "", ""
    return (other.inference if kind == "inference" else other.training), other.note
