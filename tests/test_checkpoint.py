"""Headers of safetensors and GGUF files: exact sizes, and hostile ones refused within bounds."""

from __future__ import annotations

import json
import re
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import planner
from planner.catalog.huggingface import ConfigError, native
from planner.catalog.load import load as load_catalog
from planner.catalog.stored import checkpoint, gguf_header
from planner.catalog.stored.checkpoint import FORMATS as CHECKPOINT
from planner.catalog.stored.checkpoint import read_checkpoint, read_tensors
from planner.catalog.stored.gguf import FORMATS as GGUF

CONFIG = {
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "vocab_size": 100,
    "num_attention_heads": 4, "num_key_value_heads": 2, "torch_dtype": "bfloat16",
}  # fmt: skip
LAYER = {
    "self_attn.q_proj": (64, 64), "self_attn.k_proj": (32, 64), "self_attn.v_proj": (32, 64),
    "self_attn.o_proj": (64, 64), "mlp.gate_proj": (128, 64), "mlp.up_proj": (128, 64), "mlp.down_proj": (64, 128),
    "input_layernorm": (64,), "post_attention_layernorm": (64,),
}  # fmt: skip
SHAPES: dict[str, tuple[int, ...]] = {
    "model.embed_tokens.weight": (100, 64),
    "lm_head.weight": (100, 64),
    "model.norm.weight": (64,),
    **{f"model.layers.{i}.{name}.weight": shape for i in range(2) for name, shape in LAYER.items()},
}


def count(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def header(shapes: dict[str, tuple[int, ...]], dtype: str = "BF16", width: int = 2) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, shape in shapes.items():
        end = at + count(shape) * width
        found[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, end]}
        at = end
    return found, at


def save(path: Path, head: Any, data: int = 0) -> Path:
    raw = head if isinstance(head, bytes) else json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw)
    with path.open("r+b") as file:
        file.truncate(8 + len(raw) + data)
    return path


def test_a_file_with_its_config(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    model = read_checkpoint(save(tmp_path / "model.safetensors", *header(SHAPES)))
    assert model.params == sum(map(count, SHAPES.values()))
    assert (model.stored_bytes, model.stored) == (2 * model.params, {"BF16": 2 * model.params})
    assert (model.native_format, model.published_params) == ("bf16", None)
    assert model.architecture is not None
    assert read_checkpoint(tmp_path).params == model.params


def test_a_header_alone_and_no_config(tmp_path: Path) -> None:
    model = read_checkpoint(save(tmp_path / "a.safetensors", header(SHAPES, "F8_E4M3", 1)[0]))
    assert (model.params, model.native_format, model.architecture) == (86848, "fp8_e4m3", None)
    assert "no config.json" in model.note


def test_what_a_checkpoint_stores_beyond_the_model_is_shown(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**CONFIG, "tie_word_embeddings": True}))
    model = read_checkpoint(save(tmp_path / "model.safetensors", *header(SHAPES)))
    assert model.published_params is not None
    assert model.published_params - model.params == 6400


def test_an_index_and_its_shards(tmp_path: Path) -> None:
    names = list(SHAPES)
    files: dict[str, str] = {}
    total = 0
    for number, part in enumerate((names[:9], names[9:]), 1):
        head, size = header({name: SHAPES[name] for name in part})
        save(tmp_path / f"{number}.safetensors", head, size)
        files |= dict.fromkeys(part, f"{number}.safetensors")
        total += size
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": total}, "weight_map": files}))
    found = read_tensors(index)
    assert (found.bytes, len(found.tensors)) == (total, len(SHAPES))
    for change, field in (
        ({"metadata": {"total_size": total + 1}}, "total_size"),
        ({"weight_map": {**files, "lm_head.weight": "2.safetensors"}}, "lm_head.weight"),
        ({"weight_map": {**files, "x": "3.safetensors"}}, "3.safetensors"),
        ({"weight_map": {**files, "x": "../1.safetensors"}}, "x"),
        ({"weight_map": []}, "weight_map"),
        ({"metadata": {"total_size": -1}}, "total_size"),
    ):
        index.write_text(json.dumps({"metadata": {"total_size": total}, "weight_map": files, **change}))
        with pytest.raises(ConfigError) as caught:
            read_tensors(index)
        assert caught.value.field == field


def test_the_headers_of_all_files_have_one_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    for number, name in enumerate(("a", "b")):
        head, size = header({name: (2, 3)})
        sizes.append(save(tmp_path / f"{number}.safetensors", head, size).stat().st_size - size - 8)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "0.safetensors", "b": "1.safetensors"}}))
    monkeypatch.setattr(checkpoint, "MAX_HEADER", sum(sizes))
    assert len(read_tensors(index).tensors) == 2
    monkeypatch.setattr(checkpoint, "MAX_HEADER", sum(sizes) - 1)
    with pytest.raises(ConfigError, match="of all files of a checkpoint"):
        read_tensors(index)


def test_a_header_of_too_many_values_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "MAX_PARTS", 100)
    path = save(tmp_path / "model.safetensors", b"[" * 101)
    with pytest.raises(ConfigError, match="more than 100 values"):
        read_tensors(path)


def test_an_index_alone_takes_its_architecture_from_the_config(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 173696}, "weight_map": {"a": "1.safetensors"}}))
    with pytest.raises(ConfigError):
        read_checkpoint(index)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    assert read_checkpoint(index).stored_bytes == 173696


ONE = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ({"a": {**ONE, "dtype": "F5"}}, "not known"),
        ({"a": {**ONE, "shape": [2**63, 3]}}, "no shape"),
        ({"a": {**ONE, "shape": [-1]}}, "no shape"),
        ({"a": {**ONE, "shape": [1] * 20}}, "no shape"),
        ({"a": {**ONE, "shape": [2**40, 2**40]}}, "24 bytes for"),
        ({"a": {**ONE, "data_offsets": [24, 0]}}, "bytes for"),
        ({"a": {**ONE, "data_offsets": [0, 2**64]}}, "data_offsets"),
        ({"a": {**ONE, "data_offsets": [0]}}, "data_offsets"),
        ({"a": []}, "must be an object"),
        ({"a": ONE, "b": {**ONE, "data_offsets": [12, 36]}}, "overlaps"),
        (b'{"a": 1, "a": 1}', "twice"),
        (b"[]", "not an object"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff", "not JSON"),
    ],
)
def test_broken_headers(tmp_path: Path, head: Any, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_tensors(save(tmp_path / "a.safetensors", head))
    assert reason in str(caught.value)
    assert caught.value.diagnostic().code == "E0204"


@pytest.mark.parametrize(
    "raw", [b"", b"abc", struct.pack("<Q", 2**63) + b"{}", struct.pack("<Q", 99_000_000) + b"{}", b"\0" * 8]
)
def test_absurd_lengths(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(raw)
    with pytest.raises(ConfigError):
        read_tensors(path)


def test_truncated_data(tmp_path: Path) -> None:
    head, size = header(SHAPES)
    with pytest.raises(ConfigError, match="are there"):
        read_tensors(save(tmp_path / "a.safetensors", head, size - 1))


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for name in ("a.safetensors", "a.index.json", "a.gguf", "."):
        with pytest.raises(ConfigError):
            read_checkpoint(tmp_path / name)


def gguf_file(path: Path, architecture: str = "llama") -> Path:
    gguf = pytest.importorskip("gguf")
    numpy = pytest.importorskip("numpy")
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(2)
    writer.add_embedding_length(64)
    writer.add_feed_forward_length(128)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_context_length(512)
    writer.add_key_length(16)
    names = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
             "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
             "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
             "post_attention_layernorm": "ffn_norm"}  # fmt: skip
    outer = {"token_embd": (100, 64), "output": (100, 64), "output_norm": (64,)}
    shapes = {**outer, **{f"blk.{i}.{names[name]}": shape for i in range(2) for name, shape in LAYER.items()}}
    for name, shape in shapes.items():
        data = numpy.zeros(shape, numpy.float32)
        if len(shape) == 2:
            packed = gguf.quants.quantize(data, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(f"{name}.weight", packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(f"{name}.weight", data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_gguf_file(tmp_path: Path) -> None:
    model = read_checkpoint(gguf_file(tmp_path / "a.gguf"))
    assert (model.params, model.native_format, model.max_context) == (86848, "q8_0", 512)
    assert model.architecture is not None
    small = 5 * 64
    assert model.stored == {"Q8_0": (model.params - small) // 32 * 34, "F32": small * 4}
    assert read_checkpoint(gguf_file(tmp_path / "b.gguf", "odd")).architecture is None


def split_gguf(folder: Path) -> list[Path]:
    """A model in three files, as llama.cpp splits one: the first has the metadata."""
    gguf = pytest.importorskip("gguf")
    whole = gguf.GGUFReader(gguf_file(folder / "whole.gguf"))
    paths = []
    for number in range(3):
        paths.append(folder / f"a-{number + 1:05}-of-00003.gguf")
        writer = gguf.GGUFWriter(paths[-1], "llama")
        if number == 0:
            for name in ("block_count", "embedding_length", "feed_forward_length", "context_length"):
                writer.add_uint32(f"llama.{name}", whole.fields[f"llama.{name}"].contents())
            for name in ("head_count", "head_count_kv", "key_length"):
                writer.add_uint32(f"llama.attention.{name}", whole.fields[f"llama.attention.{name}"].contents())
        writer.add_uint16("split.no", number)
        writer.add_uint16("split.count", 3)
        writer.add_int32("split.tensors.count", len(whole.tensors))
        for item in whole.tensors[number::3]:
            writer.add_tensor(item.name, item.data, raw_dtype=item.tensor_type)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return paths


def test_a_split_gguf_is_read_whole_or_refused(tmp_path: Path) -> None:
    paths = split_gguf(tmp_path)
    whole = read_checkpoint(tmp_path / "whole.gguf")
    for path in paths:
        model = read_checkpoint(path)
        assert (model.params, model.stored_bytes, model.max_context) == (whole.params, whole.stored_bytes, 512)
        assert model.architecture == whole.architecture
    paths[1].rename(tmp_path / "b-00002-of-00003.gguf")
    with pytest.raises(ConfigError, match=r"a-00002-of-00003.gguf` is one of its files and not here"):
        read_checkpoint(paths[0])
    paths[0].rename(tmp_path / "first.gguf")
    with pytest.raises(ConfigError, match="name is not that of one of 3 files"):
        read_checkpoint(tmp_path / "first.gguf")


def test_the_header_of_a_gguf_alone_counts_its_bytes(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    path = gguf_file(tmp_path / "a.gguf")
    raw = path.read_bytes()
    found = gguf_header.parse(raw, len(raw))
    (tmp_path / "b.gguf").write_bytes(gguf_header.alone(raw, found))
    whole, alone = read_checkpoint(path), read_checkpoint(tmp_path / "b.gguf")
    assert (tmp_path / "b.gguf").stat().st_size < 3000 < len(raw)
    assert (alone.stored, alone.architecture) == (whole.stored, whole.architecture)
    theirs = gguf.GGUFReader(path)
    assert [(item.name, int(item.n_bytes)) for item in theirs.tensors] == [
        (tensor.name, tensor.bytes) for tensor in read_tensors(path).tensors
    ]
    with pytest.raises(gguf_header.Short):
        gguf_header.parse(raw[: found.end - 1], len(raw))


def test_a_vocabulary_is_not_kept_with_a_header(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(tmp_path / "a.gguf", "llama")
    writer.add_token_list([f"token {number}" for number in range(5000)])
    writer.add_token_scores([0.5] * 5000)
    writer.add_name("kept")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    raw = (tmp_path / "a.gguf").read_bytes()
    small = gguf_header.alone(raw, gguf_header.parse(raw, len(raw)))
    assert len(small) < 200 < len(raw)
    assert gguf_header.parse(small, len(small)).fields == {"general.architecture": "llama", "general.name": "kept"}


def test_broken_gguf_files(tmp_path: Path) -> None:
    whole = gguf_file(tmp_path / "a.gguf").read_bytes()
    path = tmp_path / "b.gguf"
    for cut in (3, 10, 23, 30, 60, 200, 1000, 5000):
        path.write_bytes(whole[:cut])
        with pytest.raises(ConfigError):
            read_tensors(path)
    for at in (8, 16):
        path.write_bytes(whole[:at] + struct.pack("<Q", 2**63) + whole[at + 8 :])
        with pytest.raises(ConfigError):
            read_tensors(path)


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=8), st.integers(0, 3000))
def test_mutated_gguf_files(tmp_path_factory: pytest.TempPathFactory, junk: bytes, at: int) -> None:
    folder = tmp_path_factory.mktemp("gguf", numbered=True)
    raw = gguf_file(folder / "a.gguf").read_bytes()
    path = folder / "b.gguf"
    path.write_bytes(raw[:at] + junk + raw[at + len(junk) :])
    try:
        assert read_checkpoint(path).params >= 0
    except ConfigError as refusal:
        assert refusal.reason


def test_every_format_that_a_reader_names_is_in_the_catalog() -> None:
    catalog, _ = load_catalog()
    named = {*GGUF.values(), *CHECKPOINT.values(), *native.DTYPES.values()}
    text = Path(native.__file__).read_text(encoding="utf-8")
    named |= set(re.findall(r'"((?:fp8_|int\d|nf4|mxfp|nvfp)\w*)"', text))
    assert {"tq1_0", "int4_awq", "nf4_dq"} <= named
    for name in sorted(named):
        assert name in catalog.formats, name


@pytest.mark.parametrize("kind", sorted(GGUF))
def test_the_bits_of_a_gguf_type_are_those_of_its_blocks(kind: str) -> None:
    gguf = pytest.importorskip("gguf")
    weights, size = gguf.constants.GGML_QUANT_SIZES[getattr(gguf.GGMLQuantizationType, kind)]
    row = load_catalog()[0].formats[GGUF[kind]]
    assert row.bits == Fraction(8 * size, weights)


def packed_file(path: Path, kind: str) -> Path:
    """A GGUF file of one tensor of a type, and a norm."""
    gguf = pytest.importorskip("gguf")
    numpy = pytest.importorskip("numpy")
    code = getattr(gguf.GGMLQuantizationType, kind)
    weights, size = gguf.constants.GGML_QUANT_SIZES[code]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tensor("blk.0.attn_q.weight", numpy.zeros((64, 512 // weights * size), numpy.uint8), raw_dtype=code)
    writer.add_tensor("output_norm.weight", numpy.zeros((64,), numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_every_gguf_type_is_read_or_refused_with_its_tensor(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    for code in gguf.GGMLQuantizationType:
        path = packed_file(tmp_path / f"{code.name}.gguf", code.name)
        text = (
            f'edition 2026\nmodel own = checkpoint("{path}")\n'
            "inference chat { model = own; context = 64; concurrency = 1; engine = llama_cpp; gpu = l4; gpus = 1 }\n"
        )
        plan = planner.load(str(tmp_path / "plan.mem"), text=text)
        if code.name in GGUF:
            assert isinstance(planner.estimate(plan), planner.Result), code.name
        else:
            (finding,) = [item for item in plan.findings if item.is_error]
            assert (finding.code, "attn_q" in finding.message) == ("E0204", True), finding
