"""`catalog fetch`: what is read of a repository, written and refused, against a server of this machine."""

from __future__ import annotations

import ast
import json
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command import Done, run
from server import Answer, Site, serving
from test_checkpoint import CONFIG, SHAPES, gguf_file, header, split_gguf

from planner.catalog import fetch
from planner.catalog.prices import network
from planner.catalog.stored.checkpoint import read_checkpoint

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PLANNER = Path(__file__).parents[1] / "planner"


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def site() -> Iterator[Site]:
    pytest.importorskip("huggingface_hub")
    with serving(Site()) as found:
        yield found


def publish(site: Site, files: dict[str, bytes], repository: str = "org/Model-1B") -> None:
    names = [{"rfilename": name} for name in files]
    info = json.dumps({"id": repository, "modelId": repository, "sha": COMMIT, "siblings": names}).encode()
    site.files |= dict.fromkeys((f"/api/models/{repository}", f"/api/models/{repository}/revision/main"), info)
    site.files |= {f"/{repository}/resolve/{COMMIT}/{name}": raw for name, raw in files.items()}


def weights(shapes: dict[str, tuple[int, ...]]) -> bytes:
    head, size = header(shapes)
    raw = json.dumps(head).encode()
    return struct.pack("<Q", len(raw)) + raw + bytes(size)


def sharded() -> dict[str, bytes]:
    names = list(SHAPES)
    parts = {f"model-{n:05}-of-00002.safetensors": part for n, part in enumerate((names[:9], names[9:]), 1)}
    files = {file: weights({name: SHAPES[name] for name in part}) for file, part in parts.items()}
    placed = {name: file for file, part in parts.items() for name in part}
    total = sum(header({name: SHAPES[name]})[1] for name in SHAPES)
    index = {"metadata": {"total_size": total}, "weight_map": placed}
    return {
        "config.json": json.dumps(CONFIG).encode(),
        "model.safetensors.index.json": json.dumps(index).encode(),
        **files,
    }


def ask(site: Site, cwd: Path, *words: str) -> Done:
    return run("catalog", "fetch", "org/Model-1B", "--endpoint", site.url, *words, cwd=cwd)


NETWORK = ("planner.catalog.prices.network", "planner.catalog.fetch", "planner.catalog.stored.published")
"""What connects, and only when it is asked to."""


def test_headers_are_read_by_range_and_the_plan_counts_with_them(site: Site, tmp_path: Path) -> None:
    whole = sharded() | {"README.md": b"x" * 1000, "../evil.safetensors": b"", "onnx/model.onnx": b""}
    publish(site, whole)
    done = ask(site, tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "Model-1B"
    assert sorted(path.name for path in folder.iterdir()) == sorted([*sharded(), "fetched.json"])
    assert (folder / "config.json").read_bytes() == whole["config.json"]
    assert all(path.stat().st_size < 3000 for path in folder.glob("*.safetensors"))
    assert site.sent < sum(map(len, whole.values())) or site.sent < 2 * 10**6
    record = json.loads((folder / "fetched.json").read_text())
    assert (record["repository"], record["revision"]) == ("org/Model-1B", COMMIT)
    line = done.stdout.strip()
    assert (
        line == f'model model_1b = checkpoint("Model-1B/model.safetensors.index.json")  # org/Model-1B at {COMMIT[:12]}'
    )
    plan = f"edition 2026\n\n{line}\ninference chat {{\n  model       = model_1b\n  context     = 64 tokens\n" \
           "  concurrency = 1\n}\n"  # fmt: skip
    (tmp_path / "p.mem").write_text(plan)
    assert run("check", "p.mem", cwd=tmp_path).returncode == 0
    assert (
        read_checkpoint(folder).stored_bytes
        == json.loads(whole["model.safetensors.index.json"])["metadata"]["total_size"]
    )
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "home") == ["Model-1B", "p.mem"]


def test_what_was_fetched_is_replaced_and_nothing_else(site: Site, tmp_path: Path) -> None:
    publish(site, sharded())
    assert ask(site, tmp_path).returncode == 0
    (tmp_path / "Model-1B" / "stale.safetensors").write_bytes(b"")
    assert ask(site, tmp_path).returncode == 0
    assert not (tmp_path / "Model-1B" / "stale.safetensors").exists()
    other = tmp_path / "mine"
    other.mkdir()
    (other / "notes.txt").write_text("kept")
    done = ask(site, tmp_path, "-o", "mine")
    assert done.returncode == 2 and "E0207" in done.stderr and (other / "notes.txt").read_text() == "kept"


def test_a_server_that_fails_midway_leaves_the_folder_as_it_was(site: Site, tmp_path: Path) -> None:
    publish(site, sharded())
    assert ask(site, tmp_path).returncode == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "Model-1B").iterdir()}
    del site.files[f"/org/Model-1B/resolve/{COMMIT}/model-00002-of-00002.safetensors"]
    done = ask(site, tmp_path)
    assert done.returncode == 2 and "E0207" in done.stderr and "404" in done.stderr
    assert {path.name: path.read_bytes() for path in (tmp_path / "Model-1B").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == ["Model-1B"]


def test_gguf_headers_come_without_their_vocabulary(site: Site, tmp_path: Path) -> None:
    paths = split_gguf(tmp_path)
    publish(site, {path.name: path.read_bytes() for path in (*paths, gguf_file(tmp_path / "other-q8.gguf"))})
    done = ask(site, tmp_path)
    assert done.returncode == 2 and "--file: a-00001-of-00003.gguf" in done.stderr
    done = ask(site, tmp_path, "--file", "a-00002-of-00003.gguf")
    assert done.returncode == 0, done.stderr
    assert 'checkpoint("Model-1B/a-00001-of-00003.gguf")' in done.stdout
    model = read_checkpoint(tmp_path / "Model-1B" / "a-00001-of-00003.gguf")
    assert model.stored_bytes == read_checkpoint(tmp_path / "whole.gguf").stored_bytes
    del site.files[f"/org/Model-1B/resolve/{COMMIT}/a-00003-of-00003.gguf"]
    publish(site, {path.name: path.read_bytes() for path in paths[:2]})
    assert "lacks `a-00003-of-00003.gguf`" in ask(site, tmp_path, "--file", "a-00001-of-00003.gguf").stderr


def test_a_config_alone_is_read_as_one(site: Site, tmp_path: Path) -> None:
    publish(site, {"config.json": json.dumps(CONFIG).encode(), "hf_quant_config.json": b"{}"})
    done = ask(site, tmp_path)
    assert done.stdout.startswith('model model_1b = config("Model-1B/config.json")')
    assert (tmp_path / "Model-1B" / "hf_quant_config.json").is_file()


def refused(code: int, kind: str = "") -> Any:
    headers = {"X-Error-Code": kind, "X-Error-Message": "no"} if kind else {}
    return lambda _headers: (code, headers, b"{}")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refused(404, "RepoNotFound"), "there is no repository org/Model-1B"),
        (refused(401), "org/Model-1B"),
        (refused(403, "GatedRepo"), "is gated or private: accept its terms"),
        (refused(404, "RevisionNotFound"), "has no revision `main`"),
        (refused(400), "cannot be looked up"),
        (b"not json", "cannot be looked up"),
        (b'{"id": "org/Model-1B", "siblings": []}', "which commit"),
    ],
)
def test_refusals_of_the_server(site: Site, tmp_path: Path, answer: Any, said: str) -> None:
    site.files |= dict.fromkeys(("/api/models/org/Model-1B", "/api/models/org/Model-1B/revision/main"), answer)
    done = ask(site, tmp_path)
    assert done.returncode == 2 and done.stderr.startswith("error[E0207]: ") and said in done.stderr, done.stderr
    assert not (tmp_path / "Model-1B").exists()


def test_gated_files_behind_a_public_page(site: Site, tmp_path: Path) -> None:
    publish(site, sharded())
    site.files[f"/org/Model-1B/resolve/{COMMIT}/config.json"] = refused(403, "GatedRepo")
    assert "is gated or private" in ask(site, tmp_path).stderr


def test_no_connection_and_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = run("catalog", "fetch", "org/Model-1B", "--endpoint", f"http://127.0.0.1:{port}", cwd=tmp_path)
    assert done.returncode == 2 and "cannot be looked up" in done.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model-00001-of-00002.safetensors": b"\xff" * 64}, "states a header of"),
        ({"model-00001-of-00002.safetensors": struct.pack("<Q", 10**6) + b"{}"}, "ends within its header"),
        ({"model.safetensors.index.json": b"[]"}, "is not an index"),
        ({"model.safetensors.index.json": b'{"weight_map": {"a": "../x"}}'}, "which is not beside it"),
        ({"model.safetensors.index.json": b'{"weight_map": {"a": "/etc/passwd"}}'}, "which is not beside it"),
    ],
)
def test_what_is_sent_is_not_believed(site: Site, tmp_path: Path, change: dict[str, bytes], said: str) -> None:
    publish(site, sharded() | change)
    done = ask(site, tmp_path)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert not (tmp_path / "Model-1B").exists()


def test_a_server_without_parts_is_not_read_to_its_end(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(site, sharded())
    site.parts = False
    assert ask(site, tmp_path).returncode == 0  # small files are read whole
    monkeypatch.setattr(fetch, "FIRST", 1000)
    done = ask(site, tmp_path)
    assert done.returncode == 2 and "does not send parts of a file" in done.stderr


@pytest.mark.parametrize(
    "name", ["org", "org/a/b", "../../etc", "org/..", "-org/x", "org/x y", "org/" + "x" * 200, "org/x?y"]
)
def test_names_that_are_no_repository(tmp_path: Path, name: str) -> None:
    with pytest.raises(fetch.FetchError, match="is not a repository"):
        fetch.fetch(name)


def test_without_the_extra_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    done = run("catalog", "fetch", "org/Model-1B", cwd=tmp_path)
    assert done.returncode == 2 and "pip install 'mem-planner[hub]'" in done.stderr


def test_a_token_goes_to_its_host_alone() -> None:
    with serving(Site()) as first, serving(Site()) as second:
        second.files["/b"] = b"here"
        away: Answer = (302, {"Location": f"{second.url}/b"}, b"")
        first.files["/a"] = lambda _headers: away
        assert network.get(f"{first.url}/a", 10, {"Authorization": "Bearer secret"}) == b"here"
        assert (first.tokens, second.tokens) == (["Bearer secret"], [""])
        first.files["/file"] = lambda _headers: (302, {"Location": "file:///etc/passwd"}, b"")
        with pytest.raises(network.NetworkError, match=r"redirects|answers"):
            network.get(f"{first.url}/file", 10)
        with pytest.raises(network.NetworkError, match="over 3 bytes"):
            network.get(f"{second.url}/b", 3)
    with pytest.raises(network.NetworkError, match="not an HTTP address"):
        network.get("file:///etc/passwd", 10)


def test_only_one_module_opens_connections_and_only_two_verbs_use_it() -> None:
    """What a plan means depends on no network: all but `catalog fetch` and `import --fetch` stays offline."""
    connecting = ("urllib.request", "http.client", "socket", "requests", "httpx", "huggingface_hub", "ssl", "ftplib")
    allowed = {
        "planner/catalog/prices/network.py": {"urllib.request", "http.client"},
        "planner/catalog/fetch.py": {"huggingface_hub"},
    }
    users = set()
    for file in PLANNER.rglob("*.py"):
        name = file.relative_to(PLANNER.parent).as_posix()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            modules = [item.name for item in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for module in modules:
                hit = next((each for each in connecting if module == each or module.startswith(each + ".")), None)
                assert hit is None or hit in allowed.get(name, set()), (name, module)
                if module in (
                    "planner.catalog.prices.network",
                    "planner.catalog.fetch",
                    "planner.catalog.stored.published",
                ):
                    users.add(name)
    verbs = (f"planner/cli/verbs/{name}.py" for name in ("catalog", "catalog_fetch", "catalog_import"))
    assert users <= {"planner/catalog/fetch.py", "planner/catalog/stored/published.py", *verbs}
    assert os.sep
