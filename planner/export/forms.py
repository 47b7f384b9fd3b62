"""The targets of an export: what each is called, what it serves, and the file it makes."""

from __future__ import annotations

from planner.record import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """A target: its name on the command line, the kind of workload, and the end of its files' names.

    `programs` are the engines or frameworks whose answers it can write.
    """

    name: str
    kind: str
    suffix: str
    doc: str
    programs: tuple[str, ...]


IMAGES = ("vllm", "sglang")
"""Engines with an image and a package of each release."""
FORMS: tuple[Target, ...] = (
    Target("vllm", "inference", ".vllm.sh", "the `vllm serve` command", ("vllm",)),
    Target("vllm-yaml", "inference", ".vllm.yaml", "a file for `vllm serve --config`", ("vllm",)),
    Target("sglang", "inference", ".sglang.sh", "the `sglang serve` command", ("sglang",)),
    Target("llama-server", "inference", ".llama.sh", "the `llama-server` command", ("llama_cpp",)),
    Target(
        "tensorrt-llm", "inference", ".trtllm.yaml", "a file for `trtllm-serve --config`, unchecked", ("tensorrt_llm",)
    ),
    Target("compose", "inference", ".compose.yaml", "a Docker Compose file", IMAGES),
    Target("kubernetes", "inference", ".k8s.yaml", "a Deployment or LeaderWorkerSet, and a Service", IMAGES),
    Target("skypilot", "inference", ".sky.yaml", "a SkyPilot task", IMAGES),
    Target("trl", "training", ".trl.yaml", "TRL's SFTConfig", ("transformers", "trl")),
    Target(
        "accelerate", "training", ".accelerate.yaml", "accelerate's configuration, with FSDP", ("transformers", "trl")
    ),
    Target("deepspeed", "training", ".deepspeed.json", "DeepSpeed's configuration", ("deepspeed",)),
    Target("megatron", "training", ".megatron.sh", "Megatron-LM's options, unchecked", ("megatron",)),
)
"""All forms, as `planner export --to` lists them."""
BY_NAME = {form.name: form for form in FORMS}
