"""Holds the stored exports against the targets' own parsers: `python tests/exports/validate.py`, see the README here.

Each validator takes the good files and refuses a broken twin. One whose package is missing is named and left out.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

GOLDEN = Path(__file__).parents[1] / "golden/export"
WORLD = 8


def files(suffix: str) -> list[Path]:
    """Return the stored files of a form; one that stores a refusal has no comment at its head."""
    return [path for path in sorted(GOLDEN.glob(f"*{suffix}")) if path.read_text()[:1] in "#{"]


def words(path: Path) -> list[str]:
    """Return the words of a script's command, its variables as a host would have them."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith(("#", "export "))]
    found = shlex.split("\n".join(lines).replace("\\\n", " "))
    return ["0" if word.startswith("${NODE_RANK") else word for word in found]


def refused(check: Callable[[Any], object], broken: Any) -> None:
    """Raise AssertionError where a check takes what is broken."""
    try:
        check(broken)
    except (Exception, SystemExit):
        return
    raise AssertionError(f"a broken twin was taken: {broken}")


def kubernetes() -> int:
    """Deployments and Services by the schemas of Kubernetes."""
    import kubernetes_validate

    def check(document: Any) -> None:
        for version in ("1.30", "1.33", "1.35"):
            kubernetes_validate.validate(document, version, strict=True)

    documents = [item for path in files(".k8s.yaml") for item in yaml.safe_load_all(path.read_text())]
    documents = [item for item in documents if item["kind"] != "LeaderWorkerSet"]
    for document in documents:
        check(document)
    refused(check, documents[0] | {"spec": documents[0]["spec"] | {"replica": 1}})
    return len(documents)


def skypilot() -> int:
    """Tasks by SkyPilot; without the instance's type, for which it would fetch a list of prices."""
    import sky

    def check(document: Any) -> None:
        resources = {key: value for key, value in document["resources"].items() if key != "instance_type"}
        sky.Task.from_yaml_config({**document, "resources": resources, "secrets": {"HF_TOKEN": "x"}})

    documents = [yaml.safe_load(path.read_text()) for path in files(".sky.yaml")]
    for document in documents:
        check(document)
    refused(check, documents[0] | {"runn": "true"})
    return len(documents)


LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
    "max_position_embeddings": 131072, "torch_dtype": "bfloat16", "rms_norm_eps": 1e-5, "hidden_act": "silu",
}  # fmt: skip


def vllm() -> int:
    """Commands by vLLM's own parser, none shortened, and those of one host by the configuration that it makes."""
    from vllm.engine.arg_utils import EngineArgs
    from vllm.entrypoints.launchers.cli_args import make_arg_parser
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    parser = make_arg_parser(FlexibleArgumentParser())

    def check(command: list[str]) -> Any:
        assert all(word in parser._option_string_actions for word in command if word.startswith("--"))
        return parser.parse_args(command)

    def configured(command: list[str], folder: str) -> None:
        taken = check([folder, *command[1:]])
        taken.model = folder
        made = EngineArgs.from_cli_args(taken).create_engine_config()
        options = dict(pairwise(command))
        assert made.model_config.max_model_len == int(options["--max-model-len"])
        assert made.scheduler_config.max_num_seqs == int(options["--max-num-seqs"])
        assert made.scheduler_config.max_num_batched_tokens == int(options["--max-num-batched-tokens"])
        assert made.cache_config.gpu_memory_utilization == float(options["--gpu-memory-utilization"])
        assert made.cache_config.cache_dtype == options["--kv-cache-dtype"]
        assert made.parallel_config.tensor_parallel_size == int(options["--tensor-parallel-size"])

    commands = [words(path)[2:] for path in files(".vllm.sh")]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(LLAMA))
        for command in commands:
            check(command[: command.index("$([")] if "$([" in command else command)
            if not {"--nnodes", "--enable-expert-parallel"} & set(command):
                configured(command, folder)
        for broken in (["--max-num-seq", "1"], ["--kv-cache-dtype", "int8"]):
            refused(check, [*commands[0], *broken])
        refused(lambda command: configured(command, folder), [*commands[0], "--quantization", "bitsandbytes"])
    return len(commands)


def sglang() -> int:
    """Commands by SGLang's own arguments, none shortened."""
    from sglang.srt.server_args import ServerArgs

    parser = argparse.ArgumentParser(allow_abbrev=False)
    ServerArgs.add_cli_args(parser)
    commands = [words(path)[2:] for path in files(".sglang.sh")]
    for command in commands:
        parser.parse_args(command)
    refused(parser.parse_args, [*commands[0], "--kv-cache-dtype", "int8"])
    return len(commands)


def deepspeed() -> int:
    """Configurations by DeepSpeed, as of eight ranks."""
    from deepspeed.runtime import config

    config.dist.get_world_size = lambda *_, **__: WORLD
    config.dist.get_rank = lambda *_, **__: 0
    documents = [json.loads(path.read_text()) for path in files(".deepspeed.json")]
    for document in documents:
        config.DeepSpeedConfig(document)
    refused(config.DeepSpeedConfig, documents[0] | {"train_batch_size": 17})
    return len(documents)


def accelerate() -> int:
    """Configurations by accelerate's launcher; the keys of FSDP are its options."""
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser

    parser = launch_command_parser()
    known = {action.dest for action in parser._actions}

    def check(path: Path) -> None:
        assert set(load_config_from_file(str(path)).fsdp_config) <= known
        _validate_launch_command(parser.parse_args(["--config_file", str(path), "script.py"]))

    paths = files(".accelerate.yaml")
    for path in paths:
        check(path)
    with tempfile.TemporaryDirectory() as folder:
        broken = Path(folder) / "broken.yaml"
        broken.write_text(paths[0].read_text() + "num_procesess: 8\n")
        refused(check, broken)
    return len(paths)


def trl() -> int:
    """Configurations by TRL's SFTConfig."""
    from transformers import HfArgumentParser
    from trl import DatasetMixtureConfig, ModelConfig, ScriptArguments, SFTConfig, TrlParser

    def check(document: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            whole = {**document, "use_cpu": True, "output_dir": folder}
            if "use_peft" in document:
                path = Path(folder) / "run.yaml"
                path.write_text(yaml.safe_dump(whole))
                parser = TrlParser((ScriptArguments, SFTConfig, ModelConfig, DatasetMixtureConfig))
                made = parser.parse_args_and_config(["--config", str(path)], fail_with_unknown_args=True)
            else:
                made = HfArgumentParser(SFTConfig).parse_dict(whole)
        for name, value in document.items():
            found = next(getattr(item, name) for item in made if hasattr(item, name))
            match name, value:
                case "accelerator_config", dict(kept):
                    assert {key: getattr(found, key) for key in kept} == kept
                case "lora_target_modules", [str(only)]:
                    assert found in (only, value)
                case _:
                    assert getattr(found, "value", found) == value, name

    documents = [yaml.safe_load(path.read_text()) for path in files(".trl.yaml")]
    for document in documents:
        check(document)
    refused(check, documents[0] | {"max_lenght": 1})
    return len(documents)


def axolotl() -> int:
    """Configurations by axolotl's own model; keys, of which it takes any, by its fields and those of Liger's plugin."""
    from axolotl.integrations.liger.args import LigerArgs
    from axolotl.utils.schemas.config import AxolotlInputConfig

    def check(document: Any) -> None:
        assert set(document) <= {*AxolotlInputConfig.model_fields, *LigerArgs.model_fields}
        added = {"learning_rate": 1e-5, "datasets": [{"path": "x", "type": "alpaca"}]}
        more = {"lora_alpha": 16} if "adapter" in document else {}
        made = AxolotlInputConfig(**document, **added, **more).model_dump()
        inner = document.get("fsdp_config", {})
        assert all((made.get("fsdp_config") or {}).get(key) == value for key, value in inner.items())
        known = {key for key in document if key in AxolotlInputConfig.model_fields and key != "fsdp_config"}
        assert all(made[key] == document[key] for key in known)

    documents = [yaml.safe_load(path.read_text()) for path in files(".axolotl.yaml")]
    for document in documents:
        check(document)
    refused(check, documents[0] | {"attn_implementation": "sdp"})
    refused(check, documents[0] | {"sequence_length": 1})
    return len(documents)


def llama_factory() -> int:
    """Arguments by LLaMA-Factory's own parser."""
    os.environ["DISABLE_VERSION_CHECK"] = "1"
    from llamafactory.hparams import get_train_args, parser

    parser.is_torch_bf16_gpu_available = lambda: True

    def check(document: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            added = {"dataset": "x", "template": "llama3", "output_dir": folder, "use_cpu": True}
            made = get_train_args({**document, **added})
        for name, value in document.items():
            taken = next(getattr(item, name) for item in made if hasattr(item, name))
            match name, value:
                case "accelerator_config", dict(kept):
                    assert {key: getattr(taken, key) for key in kept} == kept
                case "lora_target", str(words):
                    assert taken == words.split(",")
                case _:
                    assert getattr(taken, "value", taken) == value, name

    documents = [yaml.safe_load(path.read_text()) for path in files(".llamafactory.yaml")]
    for document in documents:
        check(document)
    refused(check, documents[0] | {"cutoff_length": 1})
    refused(check, documents[0] | {"optim": "adamw_fused"})
    return len(documents)


def torchtitan() -> int:
    """Options by torchtitan's own reader, behind those that name a model of its registry."""
    from torchtitan.config import ConfigManager

    def check(more: list[str]) -> Any:
        return ConfigManager().parse_args(["--module", "llama3", "--config", "llama3_8b", *more])

    paths = files(".torchtitan.sh")
    for path in paths:
        lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        more = shlex.split("\n".join(lines).removeprefix("options=(").removesuffix(")"))
        made = check(more)
        for name, value in pairwise(more):
            if value.isdigit():
                taken = made
                for part in name.removeprefix("--").split("."):
                    taken = getattr(taken, part.replace("-", "_"))
                assert taken == int(value), name
    refused(check, ["--training.local-batch-sizes", "1"])
    refused(check, ["--training.dtype", "float16"])
    return len(paths)


SHAPE = {"hidden": 256, "layers": 2, "heads": 4, "kv_width": 128, "inner": 512, "vocab": 300}


def write_model(path: Path) -> None:
    """Write a model of two layers as GGUF, 2.7 MB."""
    import gguf
    import numpy

    hidden, kv_width, inner, vocab = (SHAPE[name] for name in ("hidden", "kv_width", "inner", "vocab"))
    out = gguf.GGUFWriter(str(path), "llama")
    out.add_context_length(2**20)
    out.add_embedding_length(hidden)
    out.add_block_count(SHAPE["layers"])
    out.add_feed_forward_length(inner)
    out.add_head_count(SHAPE["heads"])
    out.add_head_count_kv(kv_width * SHAPE["heads"] // hidden)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_rope_dimension_count(hidden // SHAPE["heads"])
    out.add_vocab_size(vocab)
    out.add_tokenizer_model("llama")
    words = [b"<unk>", b"<s>", b"</s>", *(b"<0x%02X>" % byte for byte in range(256))]
    out.add_token_list([*words, *(b"t%d" % number for number in range(vocab - len(words)))])
    out.add_token_scores([0.0] * vocab)
    out.add_token_types([2, 3, 3, *[6] * 256, *[1] * (vocab - len(words))])

    def tensor(name: str, *shape: int) -> None:
        out.add_tensor(name, numpy.full(shape, 0.01, numpy.float16 if len(shape) > 1 else numpy.float32))

    tensor("token_embd.weight", vocab, hidden)
    tensor("output_norm.weight", hidden)
    tensor("output.weight", vocab, hidden)
    for layer in range(SHAPE["layers"]):
        for name, shape in (
            *(("attn_norm", (hidden,)), ("ffn_norm", (hidden,)), ("attn_q", (hidden, hidden))),
            *(("attn_k", (kv_width, hidden)), ("attn_v", (kv_width, hidden)), ("attn_output", (hidden, hidden))),
            *(("ffn_gate", (inner, hidden)), ("ffn_up", (inner, hidden)), ("ffn_down", (hidden, inner))),
        ):
            tensor(f"blk.{layer}.{name}.weight", *shape)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def started(server: str, options: list[str], model: Path) -> str:
    """Return what `llama-server` prints with these options until it has its slots, or ends."""
    model_at = options.index("-m") + 1
    local = [*options[:model_at], str(model), *options[model_at + 1 :], "--host", "127.0.0.1", "--port", "18431"]
    command = [server, *local, "-lv", "5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "n_slots" in line:
                process.kill()
                break
    return "".join(said)


def llama_server() -> int:
    """Commands by a real `llama-server` (its path in LLAMA_SERVER): its slots, their context and the cache's bytes."""
    server = os.environ.get("LLAMA_SERVER")
    if not server:
        raise ImportError("LLAMA_SERVER names no program")
    paths = files(".llama.sh")
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "tiny.gguf"
        write_model(model)
        for path in paths:
            options = words(path)[1:]
            context, slots = (int(options[options.index(name) + 1]) for name in ("-c", "-np"))
            said = started(server, options, model)
            assert f"n_slots = {slots}, n_ctx_slot = {context // slots}," in said, said[-2000:]
            assert options[options.index("-ctk") + 1] == "q8_0"
            size = context * SHAPE["layers"] * 2 * SHAPE["kv_width"] * 34 // 32
            assert f"KV buffer size = {size / 2**20:8.2f} MiB" in said, said[-2000:]
        assert "n_slots" not in started(server, [*words(paths[0])[1:], "-nosuch"], model)
    return len(paths)


SLURM = """ClusterName=any
SlurmctldHost=localhost
AuthType=auth/none
CredType=cred/none
MessageTimeout=1
GresTypes=gpu
SelectType=select/cons_tres
NodeName=n[1-64] Gres=gpu:8
PartitionName=all Nodes=ALL Default=YES
"""
"""A cluster that nothing answers for: options are judged before it is asked."""


def slurm() -> int:
    """Scripts by `sbatch --test-only` (its path in SBATCH, its plugins in SLURM_PLUGINS), and their body by shellcheck;
    what starts the ranks by torchrun's and accelerate's own parsers."""
    sbatch = os.environ.get("SBATCH")
    if not sbatch:
        raise ImportError("SBATCH names no program")
    paths = files(".slurm.sh")
    with tempfile.TemporaryDirectory() as folder:
        conf = Path(folder) / "slurm.conf"
        plugins = os.environ.get("SLURM_PLUGINS")
        conf.write_text(SLURM + (f"PluginDir={plugins}\n" if plugins else ""))

        def check(script: Path) -> None:
            words = [sbatch, "--test-only", str(script)]
            done = subprocess.run(words, env={**os.environ, "SLURM_CONF": str(conf)}, capture_output=True, text=True)
            assert "Unable to contact slurm controller" in done.stderr and "error" not in done.stderr, done.stderr

        for path in paths:
            check(path)
            subprocess.run(["shellcheck", "-s", "bash", str(path)], check=True)
            ranks(path.read_text())
        for good, bad in (("--nodes=1", "--nodes=x"), ("--ntasks-per-node", "--ntask-per-nodes")):
            broken = Path(folder) / "broken.sh"
            broken.write_text(paths[0].read_text().replace(good, bad))
            refused(check, broken)
    return len(paths)


def ranks(text: str) -> None:
    """Read the command of a step by its launcher's own parser: nothing unknown, and the script's words left alone."""
    from accelerate.commands.launch import launch_command_parser
    from torch.distributed.run import get_args_parser

    step = text.partition("train() {\n")[2].partition("\n}")[0].replace("\\\n", " ")
    launcher, _, rest = step.strip().partition(" ")
    found = [word.replace("$SLURM_NODEID", "0").replace("$port", "29500") for word in shlex.split(rest)]
    found = ["train.py" if word == "$@" else word for word in found]
    if launcher == "torchrun":
        taken = get_args_parser().parse_args(found)
        assert (taken.training_script, taken.rdzv_backend) == ("train.py", "c10d")
    elif launcher == "accelerate":
        taken = launch_command_parser().parse_args(found[1:])
        assert (taken.training_script, taken.machine_rank, taken.main_process_port) == ("train.py", 0, 29500)


VALIDATORS = (
    kubernetes,
    skypilot,
    slurm,
    vllm,
    sglang,
    llama_server,
    deepspeed,
    accelerate,
    trl,
    axolotl,
    llama_factory,
    torchtitan,
)


def main() -> int:
    """Run all validators that are there; return 1 where one of them refuses a stored file."""
    failed = 0
    for validator in VALIDATORS:
        try:
            print(f"{validator.__name__}: {validator()} taken, a broken twin refused")
        except ImportError as reason:
            print(f"{validator.__name__}: left out ({reason})")
        except Exception as reason:
            failed = 1
            print(f"{validator.__name__}: FAILED {type(reason).__name__}: {reason}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
