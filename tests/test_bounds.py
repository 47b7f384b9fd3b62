"""What a small text could blow up ends early: numbers, loops, sets, suggestions; and only regular files are read."""

from __future__ import annotations

import os
import socket
from fractions import Fraction
from pathlib import Path

import pytest

from planner import regular_files
from planner.catalog.huggingface.config import ConfigError, read_json
from planner.catalog.reading import source
from planner.catalog.reading.source import read_rows
from planner.language import scope as scopes
from planner.language.expressions.comprehend import LIMIT
from planner.language.expressions.magnitude import LONGEST, magnitude
from planner.lock.read import read as read_lock
from planner.plan import load_plan
from planner.syntax import tree
from planner.syntax.files import LIMIT as PLAN_LIMIT
from planner.syntax.files import read

MODEL = 'model = "Qwen/Qwen2.5-0.5B"; context = 1024; concurrency = 4'


def codes(text: str, path: str = "plan.mem") -> list[str]:
    return [item.code for item in load_plan(path, text="edition 2026\n" + text).findings if item.is_error]


def test_lets_that_square_themselves_are_one_mistake() -> None:
    lets = "".join(f"let n_{step + 1} = n_{step} * n_{step} + n_{step}\n" for step in range(60))
    assert codes(f"let n_0 = 1\n{lets}inference chat {{ {MODEL} }}\n") == ["E0406"]


@pytest.mark.parametrize(
    "expression",
    (
        "long * long / long",
        "1 / (long * long)",
        "sum(1 / (long - 1), 1 / (long - 2))",
        "if true then long * long else 1",
        "max(long * long, 1)",
        "-(long * long)",
    ),
)
def test_no_constant_is_worked_out_that_is_longer_than_a_double_reaches(expression: str) -> None:
    text = f"let short = 1e60\nlet long = short * short * short * short\nlet result = {expression}\n"
    assert codes(f"{text}inference chat {{ {MODEL} }}\n") == ["E0406"]


def test_the_bound_on_a_number_is_never_below_it() -> None:
    span = tree.Number(Fraction(1), None, "1", None).span  # type: ignore[arg-type]

    def number(value: Fraction) -> tree.Number:
        return tree.Number(value, None, str(value), span)

    values = [Fraction(top, bottom) for top in (0, 1, -7, 2**40, 10**9 + 7) for bottom in (1, 3, 10**6, 2**31 - 1)]
    operations = {"+": Fraction.__add__, "-": Fraction.__sub__, "*": Fraction.__mul__, "/": Fraction.__truediv__}
    for left in values:
        for right in values:
            for operator, work in operations.items():
                if operator == "/" and not right:
                    continue
                found = work(left, right)
                bits = max(found.numerator.bit_length(), found.denominator.bit_length())
                assert magnitude(tree.Binary(operator, number(left), number(right), span)).bits >= bits
            total = tree.Call("sum", (number(left), number(right), number(left)), span)
            found = left + right + left
            assert magnitude(total).bits >= max(found.numerator.bit_length(), found.denominator.bit_length())
    assert LONGEST < 1024 - 64, "a constant can be converted to a float, in every unit"


def test_a_sum_over_a_thousand_workloads_is_no_large_number() -> None:
    cost = tree.Name(("w", "cost"), tree.Number(Fraction(1), None, "1", None).span)  # type: ignore[arg-type]
    assert not magnitude(tree.Call("sum", (cost,) * 5000, cost.span)).too_large
    ratio = tree.Binary("/", cost, cost, cost.span)
    assert not magnitude(tree.Call("sum", (ratio,) * 500, cost.span)).too_large
    assert magnitude(tree.Call("sum", (ratio,) * 50_000, cost.span)).too_large


def nested(depth: int, name: str = "few") -> str:
    names = [f"w{step}" for step in range(depth)]
    opened = "".join(f"count({name} for {name} in workloads where " for name in names)
    return f"require {name}: {opened}w0.gpus > 7{') >= 2' * (depth - 1)}) <= 3\n"


def test_loops_are_counted_before_they_are_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = "".join(f"inference s{number} {{ {MODEL} }}\n" for number in range(8))
    assert codes(plan + nested(4)) == []
    assert codes(plan + nested(40)) == ["E0406"]
    assert 8**4 < LIMIT < 8**8
    monkeypatch.setattr("planner.language.expressions.comprehend.LIMIT", 40_000)
    assert codes(plan + nested(4)) == []
    assert codes(plan + nested(4, "one") + nested(4, "two") + nested(4, "three")) == ["E0406"], "all rules together"


def test_what_a_rule_spells_out_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planner.language.expressions.comprehend.LIMIT", 25_000)
    plan = f"inference one {{ {MODEL} }}\n"
    rules = "".join(f"require r{number}: one.gpus in 1..9_999 step 1\n" for number in range(3))
    assert codes(plan + rules) == ["E0406"]


def test_a_set_of_ranges_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planner.language.choices.LONGEST", 50)
    plan = f"inference chat {{ {MODEL}; gpus in {{%s}} }}\n"
    assert codes(plan % "1..40, 20..50") == []
    assert codes(plan % "1..40, 20..51, 60..99") == ["E0403"]


def test_thousands_of_unknown_names_are_compared_with_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "COMPARED", 3000)
    compared = 0
    kept = scopes.nearest

    def nearest(word: str, known: list[str]) -> str | None:
        nonlocal compared
        found = kept(word, known)
        compared += found is not None
        return found

    monkeypatch.setattr(scopes, "nearest", nearest)
    known = "".join(f"let name_{number} = {number}\n" for number in range(300))
    text = known + "".join(f"let other_{number} = nmae_{number}\n" for number in range(300))
    assert len(codes(text + f"inference chat {{ {MODEL} }}\n")) == 300
    assert 0 < compared <= 12
    assert kept("nmae_7", ["name_7"]) == "name_7", "outside a plan nothing is counted"


def odd_files(folder: Path) -> dict[str, str]:
    """Return names that lead to what is no regular file, with the word that a message has for it."""
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to(folder / "pipe")
    (folder / "folder").mkdir()
    found = {"pipe": "a pipe", "link": "a pipe", "folder": "a folder", "/dev/zero": "a device"}
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(folder)  # the name of a socket is short
        try:
            listening.bind("socket")
        finally:
            os.chdir(here)
    return {**found, "socket": "a socket"}


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    for name, word in odd_files(tmp_path).items():
        place = tmp_path / name
        with pytest.raises(OSError) as refused:
            regular_files.opened(place)
        assert word in str(refused.value.strerror)
        text, finding = read(place)
        assert text is None and finding is not None and finding.code == "E0004" and word in finding.message
        if name != "folder":  # which may hold a config.json
            with pytest.raises(ConfigError, match=word):
                read_json(place)
        _, broken = read_lock(place, "plan.mem")
        assert broken is not None and broken.code == "E0803"


def test_a_file_that_is_exchanged_for_a_pipe_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("x")
    kept = os.stat(tmp_path / "file")
    monkeypatch.setattr(os, "stat", lambda *_: kept)
    with pytest.raises(OSError, match="a pipe"):
        regular_files.opened(tmp_path / "pipe")


def test_a_plan_names_regular_files_alone(tmp_path: Path) -> None:
    odd_files(tmp_path)
    (tmp_path / "odd_gpus.yaml").symlink_to(tmp_path / "pipe")
    (tmp_path / "odd.mem").symlink_to("/dev/zero")
    (tmp_path / "model.gguf").symlink_to(tmp_path / "socket")
    (tmp_path / "model.safetensors").symlink_to(tmp_path / "pipe")
    lines = {
        'import "odd_gpus.yaml"': "E0201",
        'import "odd.mem" as odd': "E0201",
        'model one = config("pipe")': "E0204",
        'model two = checkpoint("model.gguf")': "E0204",
        'model three = checkpoint("model.safetensors")': "E0204",
        'model four = checkpoint("/dev/zero")': "E0204",
        'model five = config("folder")': "E0204",
    }
    for line, code in lines.items():
        assert code in codes(f"{line}\ninference chat {{ {MODEL} }}\n", str(tmp_path / "plan.mem")), line


def test_no_size_is_believed(tmp_path: Path) -> None:
    """A file that goes on behind the size it states is read to the limit and no further."""
    assert len(regular_files.read_bytes("/proc/self/environ", 3)) == 4
    place = tmp_path / "long.mem"
    with place.open("wb") as file:
        file.truncate(PLAN_LIMIT + 1)
    _, finding = read(place)
    assert finding is not None and finding.code == "E0003"


def test_the_values_of_a_catalog_are_counted_before_they_are_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MOST", 100)
    rows = "as_of: 2026-01-01\nrows: [" + "{id: a}, " * 30 + "]\n"
    assert len(read_rows(Path("own_gpus.yaml"), rows.encode())[1]) == 30
    _, none, findings = read_rows(Path("own_gpus.yaml"), rows.replace("a}", "[[a], [b]]}").encode())
    assert not none and [item.code for item in findings] == ["E0203"]
