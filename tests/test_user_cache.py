"""What is kept for the next start: a poisoned, shared or broken cache changes no answer and runs nothing."""

from __future__ import annotations

import ast
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import run

from planner import user_cache
from planner.catalog.load import load
from planner.catalog.reading import cache

ROOT = Path(__file__).parents[1]
CODE = ROOT / "planner"
FORBIDDEN = {"pickle", "_pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle", "dbm", "xmlrpc"}
BODY = b'{"a": 1}'
SMALL = ("formats", "engines")


@pytest.fixture(autouse=True)
def _own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


class Bomb:
    """Makes a file where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.mark),)


def test_an_entry_is_read_back() -> None:
    assert user_cache.read("one") is None
    user_cache.write("one", BODY)
    assert user_cache.read("one") == BODY
    for path in (user_cache.folder(), user_cache.key_path().parent):
        assert path.stat().st_mode & 0o777 == 0o700
    for path in (user_cache.folder() / "one", user_cache.key_path()):
        assert path.stat().st_mode & 0o777 == 0o600
    assert [item.name for item in user_cache.folder().iterdir()] == ["one"]


def change(mode: int, path: Callable[[], Path]) -> Callable[[], None]:
    return lambda: os.chmod(path(), mode)


def entry() -> Path:
    return user_cache.folder() / "one"


def linked(path: Path) -> None:
    other = path.with_name("elsewhere")
    path.rename(other)
    path.symlink_to(other)


def piped() -> None:
    entry().unlink()
    os.mkfifo(entry())


def foldered() -> None:
    entry().unlink()
    entry().mkdir()


def edited(old: bytes, new: bytes) -> Callable[[], None]:
    return lambda: void(entry().write_bytes(entry().read_bytes().replace(old, new)))


def void(_: Any) -> None:
    return


def renamed() -> None:
    """An entry that is the user's own, under another name."""
    user_cache.write("two", b"other")
    os.replace(user_cache.folder() / "two", entry())


def of_another_key() -> None:
    """An entry that somebody else's planner made."""
    user_cache.key_path().write_bytes(b"k" * 32)
    user_cache._known.cache_clear()


SPOILT: dict[str, Callable[[], None]] = {
    "the file is writable by all": change(0o666, entry),
    "the file is writable by the group": change(0o620, entry),
    "the folder is writable by all": change(0o777, lambda: user_cache.folder()),
    "the folder is writable by the group": change(0o770, lambda: user_cache.folder()),
    "the folder's folder is writable by all": change(0o1777, lambda: user_cache.folder().parent),
    "the file is a link": lambda: linked(entry()),
    "the folder is a link": lambda: linked(user_cache.folder()),
    "the file is a pipe": piped,
    "the file is a folder": foldered,
    "an edited value": edited(b"1", b"2"),
    "cut off": lambda: void(entry().write_bytes(entry().read_bytes()[:-1])),
    "empty": lambda: void(entry().write_bytes(b"")),
    "another form": edited(b"kept/1", b"kept/0"),
    "renamed": renamed,
    "of another key": of_another_key,
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_what_others_may_have_written_is_not_read(spoil: Callable[[], None]) -> None:
    user_cache.write("one", BODY)
    assert user_cache.read("one") == BODY
    spoil()
    assert user_cache.read("one") is None


def test_what_another_owns_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    user_cache.write("one", BODY)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert user_cache.read("one") is None
    user_cache.write("two", BODY)
    assert not (user_cache.folder() / "two").exists()


@pytest.mark.parametrize("mode", [0o660, 0o606])
def test_a_key_that_others_may_write_is_no_key(mode: int) -> None:
    user_cache.write("one", BODY)
    user_cache._known.cache_clear()
    user_cache.key_path().chmod(mode)
    assert user_cache.read("one") is None
    user_cache.write("two", BODY)
    assert not (user_cache.folder() / "two").exists()
    user_cache._known.cache_clear()


def test_a_key_that_was_cut_off_is_made_anew() -> None:
    user_cache.write("one", BODY)
    user_cache.key_path().write_bytes(b"")
    user_cache._known.cache_clear()
    assert user_cache.read("one") is None
    user_cache.write("one", BODY)
    assert user_cache.read("one") == BODY


def test_where_nothing_can_be_written_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "read-only")

    user_cache.write("one", BODY)
    monkeypatch.setattr(tempfile, "mkstemp", refused)
    user_cache.write("two", BODY)
    assert user_cache.read("two") is None
    assert user_cache.read("one") == BODY


def test_old_entries_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_cache, "MOST", 4)
    for number in range(6):
        user_cache.write(f"entry{number}", BODY)
    assert len(list(user_cache.folder().iterdir())) <= 4
    assert user_cache.read("entry5") == BODY


def everything() -> dict[str, Any]:
    """Return all of two small catalogs."""
    catalog = load()[0]
    tables = {kind: catalog.table(kind) for kind in SMALL}
    rows = {kind: [table.row(key) for key in table] for kind, table in tables.items()}
    return {**rows, "names": {kind: table.names for kind, table in tables.items()}, "told": catalog.diagnostics}


def poisons(mark: Path) -> dict[str, Callable[[bytes], bytes]]:
    bomb = pickle.dumps(Bomb(mark))
    head = len(user_cache.FORM) + 32
    typed = json.dumps(dict.fromkeys(("as_of", "ids", "places", "names", "findings", "starts", "columns"), 5))
    return {
        "pickle": lambda _: bomb,
        "pickle behind the head": lambda data: data[:head] + bomb,
        "garbage": lambda _: os.urandom(5000),
        "cut off": lambda data: data[: len(data) // 2],
        "empty": lambda _: b"",
        "other types": lambda data: data[:head] + typed.encode() + b"\n",
        "an edited fact": lambda data: data.replace(b'"bits":', b'"bits":1'),
        "null": lambda data: data[:head] + b"null\n",
        "of a former release": lambda data: data[head:],
    }


@pytest.mark.parametrize("poison", poisons(Path("mark")))
def test_a_poisoned_cache_changes_no_row_and_runs_nothing(poison: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    before = everything()
    entries = list(user_cache.folder().glob("*.catalog"))
    assert len(entries) == len(SMALL)
    for path in entries:
        path.write_bytes(poisons(mark)[poison](path.read_bytes()))
    (user_cache.folder() / "mem.lark.cache").write_bytes(pickle.dumps(Bomb(mark)))
    assert everything() == before
    assert not mark.exists()
    assert everything() == before  # what was written over the poison


def test_a_sheet_of_other_types_is_no_sheet() -> None:
    """Also where the entry is the program's own."""
    for head in (b"null", b"[]", b"{}", b'{"ids": 5}', b"{", b'"x"', json.dumps({"findings": [1]}).encode()):
        user_cache.write("one", head + b"\n")
        assert cache.read("one", Path("gpus.yaml")) is None


def test_sheets_are_of_the_content_and_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    one = cache.key_of("gpus", b"a")
    assert one == cache.key_of("gpus", b"a")
    assert one not in (cache.key_of("gpus", b"b"), cache.key_of("offers", b"a"))
    monkeypatch.setattr(cache, "_code", lambda: "another release")
    assert one != cache.key_of("gpus", b"a")


def test_answers_are_the_same_without_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    verbs = (("check", "examples/chat.mem"), ("solve", "--no-lock", "--format", "json", "examples/chat.mem"))
    cold = [run(*words) for words in verbs]
    warm = [run(*words) for words in verbs]
    for path in user_cache.folder().iterdir():
        path.write_bytes(pickle.dumps({"price": 0}))
    poisoned = [run(*words) for words in verbs]
    shutil.rmtree(user_cache.folder())
    user_cache.folder().parent.chmod(0o777)
    shared = [run(*words) for words in verbs]
    assert cold == warm == poisoned == shared
    assert not user_cache.folder().exists() or not list(user_cache.folder().iterdir())


def test_programs_that_start_at_once_agree() -> None:
    """Each finds no key and no cache, and makes both."""
    code = (
        "from planner.catalog.load import load\n"
        "c = load()[0]\n"
        "print(c.digest('engines', c.engines), c.digest('formats', c.formats))"
    )
    words = [sys.executable, "-c", code]
    started = [subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [child.communicate(timeout=120)[0] for child in started]
    assert all(child.returncode == 0 for child in started)
    assert len(set(said)) == 1 and said[0].strip()
    assert [path.name for path in user_cache.key_path().parent.iterdir()] == ["key"]
    user_cache._known.cache_clear()
    assert everything() == everything()


def test_nothing_is_unpickled_or_evaluated() -> None:
    """No module that runs what it reads, no YAML but plain YAML, no cache of lark's, which is pickled."""
    wrong = []
    suspect = re.compile(
        rf"{'|'.join(FORBIDDEN)}|eval|exec|compile|__import__|os\.(system|popen)|yaml|Lark|shell|allow_"
    )
    for file in sorted(CODE.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if suspect.search(text) else ():
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [item.name.partition(".")[0] for item in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [(node.module or "").partition(".")[0]]
            elif isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                words = {word.arg: ast.unparse(word.value) for word in node.keywords}
                runs = called in ("eval", "exec", "compile", "__import__", "os.system", "os.popen")
                if runs and (file.name, called) != ("record.py", "exec"):  # which is made of the fields of a class
                    names = [called]
                if called.startswith("yaml.") and "load" in called and words.get("Loader") not in ("loader", "_LOADER"):
                    names = [called]
                if (
                    (called in ("Lark", "Lark.open") and "cache" in words)
                    or "shell" in words
                    or "allow_pickle" in words
                ):
                    names = [called]
            wrong += [f"{file.relative_to(ROOT)}: {name}" for name in names if name in FORBIDDEN or "." in name or
                      name in ("eval", "exec", "compile", "__import__", "Lark")]  # fmt: skip
    assert wrong == []
