"""Write catalogs/engine_models.yaml from unpacked engines: which classes a release has, and what each of them lacks.

    python benchmarks/engine_models.py --vllm DIR 0.33 --sglang DIR 0.5.23 --transformers DIR 5.20
        --tensorrt-llm FILE 1.0 --llama-cpp FILE 9967 --earlier vllm 0.8.3 DIR --earlier vllm 0.8.4 DIR

A folder is that of the package itself (`vllm/`), a file the engine's own index (`_torch/models/_arch_index.py`,
`conversion/__init__.py`); the version is the release from which on its rows hold. `--earlier` names releases of vLLM
and SGLang before it, every one from the first to the last: a class that one of them lacks and the next has is new there
(`first`). Rows of an engine that is not given stay as they are. The models are those whose `model_type`
planner/catalog/huggingface reads as a decoder, and those of models.yaml.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from engine_classes import Sources, literal

from planner.catalog.huggingface.read import DECODERS, WRAPPERS
from planner.catalog.load import load

CATALOG = Path(__file__).parents[1] / "catalogs" / "engine_models.yaml"
HEAD = """\
# yaml-language-server: $schema=schemas/engine_models.schema.json
# What each engine's releases make of a model's class: whether they have it, with adapters, pipelines and fp16.
# Written by benchmarks/engine_models.py from the engines' own sources.
"""
PUBLISHED = {
    "arctic": ("ArcticForCausalLM",),
    "bailing_moe_v2": ("BailingMoeV2ForCausalLM",),
    "deepseek": ("DeepseekForCausalLM",),
    "grok-1": ("Grok1ModelForCausalLM", "Grok1ForCausalLM"),
    "internvl_chat": ("InternVLChatModel",),
    "internlm3": ("InternLM3ForCausalLM",),
    "kimi_k2": ("DeepseekV3ForCausalLM",),
    "kimi_k25": ("KimiK25ForConditionalGeneration",),
    "mimo": ("MiMoForCausalLM",),
    "mimo_v2": ("MiMoV2ForCausalLM",),
    "minimax": ("MiniMaxText01ForCausalLM", "MiniMaxForCausalLM"),
    "minimax_m3": ("MiniMaxM3SparseForCausalLM",),
    "mpt": ("MPTForCausalLM", "MptForCausalLM"),
    "nemotron-nas": ("DeciLMForCausalLM",),
    "openelm": ("OpenELMForCausalLM",),
    "phi4mm": ("Phi4MMForCausalLM",),
    "phimoe": ("PhiMoEForCausalLM",),
    "step3p5": ("Step3p5ForCausalLM",),
    "exaone_moe": ("ExaoneMoEForCausalLM", "ExaoneMoeForCausalLM"),
    "falcon": ("FalconForCausalLM",),
}
"""The `architectures` of published configs where transformers has no class for the `model_type`, or another one."""

AUTODEPLOY = {
    "DeepseekV2ForCausalLM", "ExaoneForCausalLM", "Gemma3nForConditionalGeneration", "Gemma3nForCausalLM",
    "Glm4MoeLiteForCausalLM", "GraniteForCausalLM", "GraniteMoeHybridForCausalLM", "InternLM3ForCausalLM",
    "Olmo3ForCausalLM", "OpenELMForCausalLM", "SmolLM3ForCausalLM",
}  # fmt: skip
"""What TensorRT-LLM serves through AutoDeploy alone (docs/source/models/supported-models.md, its note 5)."""

LATER = {
    "tensorrt_llm": {"Gemma2ForCausalLM": "NVIDIA/TensorRT-LLM tensorrt_llm/_torch/models/modeling_gemma2.py"},
    "llama_cpp": {
        "DeepseekV4ForCausalLM": "ggml-org/llama.cpp conversion/deepseek.py",
        "HYV3ForCausalLM": "ggml-org/llama.cpp gguf.MODEL_ARCH.HYV3",
        "InternVLChatModel": "ggml-org/llama.cpp@00bdaa1 conversion/__init__.py MMPROJ_MODEL_MAP, InternVisionModel",
        "LagunaForCausalLM": "ggml-org/llama.cpp conversion/laguna.py",
        "Lfm2VlForConditionalGeneration": "ggml-org/llama.cpp@00bdaa1 conversion/__init__.py MMPROJ_MODEL_MAP",
        "MiniMaxM3SparseForCausalLM": "ggml-org/llama.cpp conversion/minimax.py",
        "MiniMaxM3SparseForConditionalGeneration": "ggml-org/llama.cpp conversion/minimax.py",
        "MuseGlimmerForConditionalGeneration": "ggml-org/llama.cpp conversion/muse_glimmer.py",
    },
}
"""Classes that an engine has in other versions of its sources than the one whose index was read."""

INNER = frozenset({"minimax_m3_vl_text", "ministral3", "mistral4"})
"""Decoders that are published inside a multimodal model alone: engines know the class of that one."""

UNLISTED = frozenset({("llama_cpp", "mimo")})
"""What an engine runs under another class than the published one (MiMo-7B is converted as a Qwen2)."""

Row = dict[str, Any]


def models(transformers: Path) -> dict[str, tuple[str, ...]]:
    """Return the classes of a published model, the likeliest first, by `model_type`."""
    auto = (transformers / "models" / "auto" / "modeling_auto.py").read_text(encoding="utf-8")

    def mapping(name: str) -> dict[str, str]:
        found = re.search(rf"{name}\s*=\s*OrderedDict\(\s*\[(.*?)\n    \]", auto, re.DOTALL)
        return dict(re.findall(r'\("([\w.-]+)",\s*"(\w+)"\)', found[1])) if found else {}

    whole = mapping("MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES")
    plain = mapping("MODEL_FOR_CAUSAL_LM_MAPPING_NAMES")
    out = {}
    rows = load()[0].models
    listed = {row["model_type"] for row in map(rows.row, rows) if row.get("architecture")}
    for kind in sorted({*DECODERS, *WRAPPERS, *listed} - INNER):
        known = (plain, whole) if kind in DECODERS else (whole, plain)
        own = PUBLISHED.get(kind, ()) or tuple(table[kind] for table in known if kind in table)[:1]
        if own:
            out[kind] = own
        elif not kind.endswith(("_text", "_text_model")):
            raise SystemExit(f"`{kind}` has no class in transformers: add that of its published config to PUBLISHED")
    return out


class Transformers:
    """The transformers library: which classes it has, and which of them other engines can run through it."""

    def __init__(self, folder: Path) -> None:
        """Take the folder of the package."""
        self.files = {path: path.read_text(encoding="utf-8") for path in folder.glob("models/*/modeling_*.py")}
        self.folder = folder

    def of(self, name: str) -> str:
        """Return the text of the file that defines a class, empty where none does."""
        return next((text for text in self.files.values() if re.search(rf"^class {name}\(", text, re.MULTILINE)), "")

    def runs_within(self, name: str, loosely: bool) -> bool:
        """Return whether a class takes the attention of another engine (`is_backend_compatible`; `loosely`, also as
        `_can_set_attn_implementation` has it)."""
        text = self.of(name)
        if not text:
            return False
        own = re.search(r"^class \w*Attention\w*\(nn\.Module\):", text, re.MULTILINE)
        settable = "ALL_ATTENTION_FUNCTIONS.get_interface(" in text or not own
        return "_supports_attention_backend = True" in text or (loosely and settable)


def vllm(folder: Path, library: Transformers) -> Callable[[str, tuple[str, ...]], Row]:
    """Return what vLLM's registry and classes say of a model."""
    sources = Sources(folder, "vllm")
    registry = sources.tree("vllm.model_executor.models.registry")
    native: dict[str, Any] = {}
    for name in ("_MULTIMODAL_MODELS", "_TEXT_GENERATION_MODELS"):
        native |= literal(registry, name)
    through = literal(registry, "_TRANSFORMERS_SUPPORTED_MODELS")
    before = literal(registry, "_PREVIOUSLY_SUPPORTED_MODELS")
    narrow = literal(sources.tree("vllm.config.model"), "_FLOAT16_NOT_SUPPORTED_MODELS")
    where = "vllm/model_executor/models/registry.py"

    def row(kind: str, names: tuple[str, ...]) -> Row:
        own = next((name for name in names if name in native), None)
        if own is not None:
            module, cls = native[own]
            module = module if module.startswith("vllm.") else f"vllm.model_executor.models.{module}"
            out: Row = {"architecture": own}
            if not sources.inherits(module, cls, "SupportsLoRA"):
                out["lora"] = False
            if not (sources.inherits(module, cls, "SupportsPP") and sources.takes(module, cls, "intermediate_tensors")):
                out["pipeline"] = False
            if kind in narrow:
                out["fp16"] = False
            more = "; config/model.py _FLOAT16_NOT_SUPPORTED_MODELS" if kind in narrow else ""
            return out | {"source": f"{where} _VLLM_MODELS, and what the class inherits{more}"}
        last = next((before[name] for name in names if name in before), None)
        ended: Row = {} if last is None else {"last": last}
        listed = next((name for name in names if name in through), None)
        found = listed or next((name for name in names if library.runs_within(name, True)), None)
        note = " and _PREVIOUSLY_SUPPORTED_MODELS" if last else ""
        if found is not None:
            table = "_TRANSFORMERS_SUPPORTED_MODELS" if listed else "_try_resolve_transformers"
            source = f"{where} {table}{note}"
            return {"architecture": found, "through": "Transformers backend", **ended, "source": source}
        return {"architecture": names[0], "absent": True, **ended, "source": f"{where}: in no list{note}"}

    return row


def sglang(folder: Path, library: Transformers) -> Callable[[str, tuple[str, ...]], Row]:
    """Return what SGLang's `EntryClass` of each model file says."""
    sources, native = Sources(folder, "sglang"), dict[str, str]()
    for path in sorted((folder / "srt" / "models").glob("*.py")):
        module = f"sglang.srt.models.{path.stem}"
        for node in sources.tree(module).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EntryClass":
                listed = node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else [node.value]
                native |= {ast.unparse(item): module for item in listed}
    where = "sglang/srt/models"

    def row(kind: str, names: tuple[str, ...]) -> Row:
        own = next((name for name in names if name in native), None)
        if own is not None:
            out: Row = {"architecture": own}
            if not sources.takes(native[own], own, "pp_proxy_tensors"):
                out["pipeline"] = False
            file = native[own].rpartition(".")[2]
            return out | {"source": f"{where}/{file}.py EntryClass; model_executor/model_runner.py support_pp"}
        found = next((name for name in names if library.runs_within(name, False)), None)
        if found is not None:
            source = f"in no EntryClass of {where}; model_loader/utils.py resolve_transformers_arch"
            return {"architecture": found, "through": "Transformers backend", "source": source}
        return {"architecture": names[0], "absent": True, "source": f"in no EntryClass of {where}"}

    return row


def transformers(library: Transformers) -> Callable[[str, tuple[str, ...]], Row]:
    """Return whether the library has a class of the model."""

    auto = (library.folder / "models" / "auto" / "modeling_auto.py").read_text(encoding="utf-8")

    def row(kind: str, names: tuple[str, ...]) -> Row:
        own = f'("{kind}", "' in auto
        where = "transformers/models/auto/modeling_auto.py"
        return {"architecture": names[-1], **({} if own else {"absent": True}), "source": where}

    return row


def indexed(engine: str, file: Path, table: str, where: str) -> Callable[[str, tuple[str, ...]], Row]:
    """Return whether an engine's index of classes has the model's."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    native, later = literal(tree, table), LATER.get(engine, {})

    def row(kind: str, names: tuple[str, ...]) -> Row:
        own = next((name for name in names if name in native), None)
        if own is not None:
            return {"architecture": own, "source": where}
        known = next((name for name in names if name in later), None)
        if known is not None:
            return {"architecture": known, "source": later[known]}
        fallback = next((name for name in names if engine == "tensorrt_llm" and name in AUTODEPLOY), None)
        if fallback is not None:
            source = "docs/source/models/supported-models.md, note 5; not in " + where
            return {"architecture": fallback, "through": "AutoDeploy backend", "source": source}
        return {"architecture": names[0], "absent": True, "source": f"not in {where}"}

    return row


def since(name: str, earlier: list[tuple[str, str]]) -> Row:
    """Return the first release of those that were read from which on all have a class, and where that is seen.

    Empty where all have it, or the last does not.
    """
    has = [re.search(rf"\b{name}\b", text) is not None for _, text in earlier]
    lacking = max((place for place, found in enumerate(has) if not found), default=None)
    if lacking is None or lacking + 1 == len(has):
        return {}
    return {"first": earlier[lacking + 1][0], "note": f"in {earlier[lacking + 1][0]}, not in {earlier[lacking][0]}"}


def listing(engine: str, folder: Path) -> str:
    """Return where a release of vLLM or SGLang lists the classes that it has."""
    if engine == "vllm":
        places = (folder / "model_executor" / "models" / name for name in ("registry.py", "__init__.py"))
        text = next(path for path in places if path.exists()).read_text(encoding="utf-8")
        return text.partition("_PREVIOUSLY_SUPPORTED_MODELS")[0]
    files = sorted((folder / "srt" / "models").glob("*.py"))
    texts = (path.read_text(encoding="utf-8") for path in files)
    return "\n".join(
        item for text in texts for item in re.findall(r"^EntryClass = (\[[^\]]*\]|\w+)", text, re.MULTILINE)
    )


def written(rows: list[Row], day: str) -> str:
    """Return the file of these rows, one a line."""
    lines = [HEAD + f"as_of: '{day}'\nschema_version: 1\nrows:\n"]
    for row in rows:
        parts = ", ".join(f"{key}: {_flow(value)}" for key, value in row.items())
        lines.append(f"- {{{parts}}}\n")
    return "".join(lines)


def _flow(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    plain = re.fullmatch(r"[A-Za-z][\w./-]*( [\w./-]+)*", text) and yaml.safe_load(text) == text
    return text if plain else "'" + text.replace("'", "''") + "'"


def given(arguments: argparse.Namespace) -> Iterator[tuple[str, str, Callable[[str, tuple[str, ...]], Row]]]:
    """Yield each engine that the command line names: its id, its version, and what its sources say of a model."""
    library = Transformers(Path(arguments.transformers[0]))
    yield "transformers", arguments.transformers[1], transformers(library)
    if arguments.vllm:
        yield "vllm", arguments.vllm[1], vllm(Path(arguments.vllm[0]), library)
    if arguments.sglang:
        yield "sglang", arguments.sglang[1], sglang(Path(arguments.sglang[0]), library)
    if arguments.tensorrt_llm:
        where = "NVIDIA/TensorRT-LLM@065ff9e tensorrt_llm/_torch/models/_arch_index.py MODEL_ARCH_TO_MODULE"
        file = Path(arguments.tensorrt_llm[0])
        yield "tensorrt_llm", arguments.tensorrt_llm[1], indexed("tensorrt_llm", file, "MODEL_ARCH_TO_MODULE", where)
    if arguments.llama_cpp:
        file = Path(arguments.llama_cpp[0])
        where = "ggml-org/llama.cpp@00bdaa1 conversion/__init__.py TEXT_MODEL_MAP"
        table = indexed("llama_cpp", file, "TEXT_MODEL_MAP", where)
        yield "llama_cpp", arguments.llama_cpp[1], table


def main() -> None:
    """Write the catalog."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("transformers", "vllm", "sglang", "tensorrt-llm", "llama-cpp"):
        parser.add_argument(f"--{name}", nargs=2, metavar=("PATH", "VERSION"), required=name == "transformers")
    parser.add_argument("--earlier", nargs=3, action="append", default=[], metavar=("ENGINE", "VERSION", "PATH"))
    parser.add_argument("--as-of", required=True, help="the day on which the sources were read")
    arguments = parser.parse_args()
    before = yaml.safe_load(CATALOG.read_text(encoding="utf-8"))["rows"] if CATALOG.exists() else []
    kinds = models(Path(arguments.transformers[0]))
    rows: list[Row] = []
    made = set()
    for engine, version, of in given(arguments):
        releases = [(release, Path(path)) for named, release, path in arguments.earlier if named == engine]
        releases.sort(key=lambda item: [int(part) for part in item[0].split(".")])
        earlier = [(release, listing(engine, path)) for release, path in releases]
        made.add(engine)
        for kind, names in kinds.items():
            if (engine, kind) in UNLISTED:
                continue
            own = of(kind, names)
            head = {"id": f"{engine}/{kind}", "architecture": own.pop("architecture"), "release": version}
            native = not (own.get("absent") or own.get("through"))
            rows.append(head | own | (since(head["architecture"], earlier) if native else {}))
    rows += [row for row in before if row["id"].partition("/")[0] not in made]
    rows.sort(key=lambda row: row["id"])
    CATALOG.write_text(written(rows, arguments.as_of), encoding="utf-8")
    print(json.dumps({"rows": len(rows), "engines": sorted(made)}))


if __name__ == "__main__":
    main()
