"""Methods, optimizers and settings of trainers whose memory is not modelled: why, and what to write instead.

None of them is read as something else: a plan that names one is refused.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Unmodelled(NamedTuple):
    """What a word means, why its memory is not known here, and the nearest that is modelled, with how it compares."""

    name: str
    why: str
    instead: str

    @property
    def reason(self) -> str:
        """The message of a finding."""
        return f"{self.name} is not modelled: {self.why}"

    @property
    def way_out(self) -> str:
        """The help of a finding."""
        return self.instead if self.instead.startswith("leave ") else f"the nearest is {self.instead}"


MORE: Final = "which needs more memory"
LESS: Final = "which needs less memory"
LARGER: Final = "whose states are larger"


def _each(names: str, name: str, why: str, instead: str) -> dict[str, Unmodelled]:
    return {word: Unmodelled(name, why, instead) for word in names.split()}


POLICY: Final = "method = full or lora of the policy alone, which needs less memory"
SAMPLED: Final = "it generates completions while it trains, and holds a KV cache or an engine beside the policy"
REINFORCED: Final = {
    **_each("grpo dapo rloo reinforce reinforce_pp", "training on sampled completions", SAMPLED, POLICY),
    **_each(
        "ppo rlhf",
        "PPO",
        "a reward model, a critic and generation stand beside the policy and its reference",
        POLICY,
    ),
    **_each("online_dpo xpo nash_md gkd", "training on sampled completions", SAMPLED, f"preference = dpo, {LESS}"),
}
"""How much generation takes is set by the engine that does it."""

WORDS: Final[dict[str, dict[str, Unmodelled]]] = {
    "method": {
        **REINFORCED,
        **_each("dora", "DoRA as a method", "it is a setting beside LoRA", "method = lora with use_dora = true"),
        **_each(
            "qdora",
            "DoRA over a base in 4 bits",
            "the weights that each step makes anew are not counted",
            "method = lora with use_dora = true, whose base is in 16 bits",
        ),
        **_each(
            "lora_8bit qlora_8bit lora_int8 int8_lora qlora_int8",
            "LoRA over a base in 8 bits (LLM.int8())",
            "its products keep inputs in 8 bits and take outliers apart",
            "method = lora, whose base is in 16 bits, or qlora, in 4",
        ),
        **_each(
            "gptq_lora lora_gptq qalora qlora_gptq lora_awq awq_lora lora_aqlm lora_hqq lora_fp8",
            "LoRA over a base that was quantized before",
            "its kernels dequantize in ways of their own",
            "method = lora, whose base is in 16 bits, or qlora, in 4",
        ),
        **_each(
            "adalora", "AdaLoRA", "its third matrix and importance scores are not counted", f"method = lora, {LESS}"
        ),
        **_each(
            "ia3 vera loha lokr oft boft prompt_tuning prefix_tuning p_tuning ptuning vblora",
            "an adapter other than LoRA",
            "what it trains and keeps for backward is its own",
            "method = lora",
        ),
        **_each(
            "galore apollo lomo adalomo badam lisa",
            "full training with few states",
            "its states or gradients are its own",
            f"method = full, {MORE}",
        ),
    },
    "preference": {
        **REINFORCED,
        **_each(
            "orpo cpo simpo",
            "preference tuning without a reference model",
            "its loss keeps other logits than DPO's",
            "preference = dpo, which holds a reference model besides",
        ),
        **_each(
            "kto bco",
            "preference tuning of single answers",
            "it runs a second batch of mismatched answers, and takes log-probabilities otherwise",
            "preference = dpo, whose micro-batch counts pairs",
        ),
        **_each(
            "reward rm reward_model",
            "training of a reward model",
            "its head has one output and no vocabulary",
            f"preference = dpo, {MORE}",
        ),
    },
    "optimizer": {
        **_each(
            "adamw_4bit adamw_torch_4bit",
            "torchao's 4-bit AdamW",
            "what its step needs beside the states is not measured",
            f"optimizer = adamw_8bit, {LARGER}",
        ),
        **_each(
            "adamw_torch_8bit adamw_torchao_8bit",
            "torchao's 8-bit AdamW",
            "what its step needs beside the states is not measured",
            "optimizer = adamw_8bit, which is bitsandbytes'",
        ),
        **_each(
            "galore galore_adamw galore_adamw_8bit galore_adafactor galore_adamw_layerwise galore_adamw_8bit_layerwise "
            "galore_adafactor_layerwise",
            "GaLore",
            "its projections and the step that makes them are not measured",
            f"optimizer = adamw, {LARGER}",
        ),
        **_each(
            "apollo apollo_adamw apollo_adamw_layerwise",
            "APOLLO",
            "its projections are not measured",
            f"optimizer = adamw, {LARGER}",
        ),
        **_each(
            "lomo adalomo",
            "an optimizer inside the backward pass",
            "its gradients never stand together",
            "optimizer = sgd, which holds all gradients",
        ),
        **_each(
            "lion_8bit lion_32bit paged_lion paged_lion_8bit paged_lion_32bit",
            "bitsandbytes' Lion",
            "only lion-pytorch's is counted",
            "optimizer = paged_adamw_32bit, which has twice as many states",
        ),
        **_each(
            "ademamix ademamix_8bit paged_ademamix paged_ademamix_8bit paged_ademamix_32bit",
            "AdEMAMix",
            "it has three states a parameter",
            "optimizer = adamw, whose states are smaller",
        ),
        **_each(
            "adamw_apex_fused fusedadam apex_adamw",
            "Apex' FusedAdam",
            "its states are in 32 bits whatever the weights are in",
            "optimizer = adamw with precision = bf16_mixed",
        ),
        **_each(
            "rmsprop rmsprop_bnb rmsprop_bnb_8bit rmsprop_bnb_32bit adagrad",
            "an optimizer with one state",
            "what its step needs is not measured",
            f"optimizer = adamw, {LARGER}",
        ),
        **_each(
            "sophia shampoo soap distributed_shampoo grokadamw stable_adamw schedule_free_adamw schedule_free_sgd "
            "schedule_free_radam adamw_anyprecision adamw_bf16 lamb adabelief came adam_mini q_galore",
            "this optimizer",
            "what it keeps and what its step needs are not known here",
            "optimizer = adamw",
        ),
    },
    "offload": {
        **_each(
            "nvme disk ssd",
            "offloading to NVMe",
            "its buffers on host and GPU are not measured",
            "offload = optimizer or parameters, which need the host's RAM",
        ),
    },
    "precision": {
        **_each(
            "fp16",
            "pure fp16",
            "gradients vanish in it, and trainers have it as mixed precision",
            "precision = fp16_mixed",
        ),
        **_each(
            "mxfp8 mxfp4 nvfp4 fp4",
            "training in block-scaled formats",
            "what it keeps for backward is not measured",
            f"precision = bf16_mixed, {MORE}",
        ),
    },
    "lora_targets": {
        **_each(
            "experts routed_experts shared_expert shared_experts mlp.experts",
            "an adapter of experts",
            "peft makes the whole weight of every expert anew in each pass",
            "lora_targets = attention on a model with experts, which adapts less",
        ),
        **_each(
            "embed_tokens embedding lm_head head router gate",
            "an adapter outside the projections of layers",
            "what they keep is not counted",
            "lora_targets = all_linear, which adapts less",
        ),
    },
}
"""By quantity and word, as transformers, trl, peft, axolotl and LLaMA-Factory spell them."""

SETTINGS: Final = {
    **_each("base base_format base_model_format quantization_config", *WORDS["method"]["lora_gptq"]),
    **_each("load_in_8bit", *WORDS["method"]["lora_8bit"]),
    **_each(
        "optimizer_in_backward optimizer_in_bwd apply_optimizer_in_backward overlap_optimizer_in_backward layerwise",
        "an optimizer inside the backward pass",
        "its gradients never stand together",
        "leave it out: without it a step needs more memory",
    ),
    **_each(
        "target_parameters lora_experts",
        "an adapter of experts",
        "peft makes the whole weight of every expert anew in each pass",
        "leave it out: without it a step needs less memory",
    ),
    **_each(
        "modules_to_save additional_target",
        "training of whole parts beside adapters",
        "their gradients and states are not counted",
        "leave it out: without it a step needs less memory",
    ),
    **_each(
        "precompute_ref_log_probs reference ref_model reference_free",
        "a reference model that is not held",
        "preference = dpo counts it beside the trained one",
        "leave it out: without it a step needs more memory; adapters hold no reference either way",
    ),
    **_each(
        "torch_compile compile",
        "torch.compile",
        "what its kernels keep is not measured",
        "leave it out: the answer is of a step that runs operation by operation",
    ),
    **_each(
        "zero_hpz_partition_size zero_quantized_weights zero_quantized_gradients",
        "ZeRO++",
        "its second copy of the weights is not counted",
        "zero = 3, which needs less memory",
    ),
    **_each(
        "reward_model critic critic_model value_model num_generations use_vllm vllm_mode rollout rollouts",
        *REINFORCED["ppo"],
    ),
    **_each(
        "nvme_path offload_nvme nvme_offload",
        *WORDS["offload"]["nvme"],
    ),
    **_each("ema ema_decay use_ema", "an average of the weights", "its copy is not counted", "leave it out"),
}
"""By the name of a setting that a plan of a training may have from a trainer's configuration."""


def word(quantity: str, text: str) -> Unmodelled | None:
    """Return the row of a word of a quantity, None where there is none."""
    return WORDS.get(quantity, {}).get(text.casefold())


def setting(name: str) -> Unmodelled | None:
    """Return the row of a setting of a training, None where there is none."""
    return SETTINGS.get(name.casefold())
