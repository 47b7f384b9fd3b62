"""The targets of an export: what each is called, what it serves, and the file it makes."""

from __future__ import annotations

from planner.record import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """A target: its name on the command line, the end of its files' names, and whose answers it can write: those of
    services on `engines`, those of trainings by `frameworks`.
    """

    name: str
    suffix: str
    doc: str
    engines: tuple[str, ...] = ()
    frameworks: tuple[str, ...] = ()

    @property
    def programs(self) -> tuple[str, ...]:
        """All engines and frameworks whose answers it can write."""
        return (*self.engines, *self.frameworks)

    def of(self, kind: str) -> tuple[str, ...]:
        """Return the programs of a kind of workload whose answers it can write."""
        return self.engines if kind == "inference" else self.frameworks


IMAGES = ("vllm", "sglang")
"""Engines with an image and a package of each release."""
TRAINERS = ("transformers", "trl")
"""Frameworks that read the options of the Trainer of transformers by the same names."""
LAUNCHED = (*TRAINERS, "llama_factory")
"""Frameworks whose ranks accelerate starts, with its configuration."""
FORMS: tuple[Target, ...] = (
    Target("vllm", ".vllm.sh", "the `vllm serve` command", ("vllm",)),
    Target("vllm-yaml", ".vllm.yaml", "a file for `vllm serve --config`", ("vllm",)),
    Target("sglang", ".sglang.sh", "the `sglang serve` command", ("sglang",)),
    Target("llama-server", ".llama.sh", "the `llama-server` command", ("llama_cpp",)),
    Target("tensorrt-llm", ".trtllm.yaml", "a file for `trtllm-serve --config`, unchecked", ("tensorrt_llm",)),
    Target("compose", ".compose.yaml", "a Docker Compose file", IMAGES),
    Target("kubernetes", ".k8s.yaml", "a Deployment or LeaderWorkerSet, and a Service", IMAGES),
    Target("skypilot", ".sky.yaml", "a SkyPilot task", IMAGES),
    Target(
        "slurm",
        ".slurm.sh",
        "a script for `sbatch`",
        (*IMAGES, "llama_cpp"),
        (*LAUNCHED, "fsdp", "torchtitan", "deepspeed", "megatron"),
    ),
    Target("trl", ".trl.yaml", "TRL's SFTConfig", frameworks=TRAINERS),
    Target("accelerate", ".accelerate.yaml", "accelerate's configuration, with FSDP", frameworks=LAUNCHED),
    Target("axolotl", ".axolotl.yaml", "axolotl's configuration", frameworks=("axolotl",)),
    Target("llama-factory", ".llamafactory.yaml", "LLaMA-Factory's arguments", frameworks=("llama_factory",)),
    Target("deepspeed", ".deepspeed.json", "DeepSpeed's configuration", frameworks=("deepspeed",)),
    Target("torchtitan", ".torchtitan.sh", "torchtitan's options", frameworks=("fsdp", "torchtitan")),
    Target("megatron", ".megatron.sh", "Megatron-LM's options, unchecked", frameworks=("megatron",)),
)
"""All forms, as `planner export --to` lists them."""
BY_NAME = {form.name: form for form in FORMS}
