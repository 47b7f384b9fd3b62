"""The way from text to answer: examples, the oracle, locks, and bad input."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from planner.cli.main import main; main()", *words],
        capture_output=True, text=True, cwd=cwd, timeout=120,
    )  # fmt: skip


def test_check_imports_no_solver() -> None:
    code = (
        "import sys; from planner.cli.main import app\n"
        "try: app(['check', 'examples/chat.mem'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('ortools', 'numpy', 'pandas', 'rich', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip().endswith("[]"), done.stdout


def test_lock_is_the_same_bytes_for_any_workers_and_order(tmp_path: Path) -> None:
    text = (ROOT / "examples/fleet.mem").read_text()
    plan = tmp_path / "fleet.mem"
    plan.write_text(text)
    locks = set()
    for workers in ("1", "2", "8"):
        assert run("solve", str(plan), "--workers", workers).returncode == 0
        locks.add((tmp_path / "fleet.mem.lock").read_bytes())
    assert len(locks) == 1


def test_stale_lock_is_found(tmp_path: Path) -> None:
    for name in ("chat.mem", "chat.mem.lock"):
        shutil.copy(ROOT / "examples" / name, tmp_path / name)
    plan = tmp_path / "chat.mem"
    assert run("check", str(plan)).returncode == 0
    plan.write_text(plan.read_text().replace("= 32", "= 33"))
    done = run("check", str(plan), "--format", "concise")
    assert done.returncode == 1
    assert "E0802" in done.stdout


CHAT = (ROOT / "examples/chat.mem").read_text()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "E0404"),
        (CHAT.replace("8Ki tokens\n", "80 GiB\n"), "E0401"),
        (CHAT.replace("{bf16, fp8, int4}", "{}"), "E0501"),
        (CHAT.replace("1..8", "8..1"), "E0502"),
        (CHAT.replace("3.1-8B-Instruct", "3.1-8B-Instrukt"), "E0301"),
        (CHAT + CHAT.partition("2026")[2], "E0302"),
        (CHAT.replace("}\n\nmin", "\nmin"), "E0103"),
        (CHAT + "offer mine { gpu = l4; gpus = 1; price = $-1/h }\n", None),
        (CHAT + "require x: chat.gpus + 1 <= chat.nothing\n", "E0303"),
        (CHAT + "require x: sum(w.cost for w in workloads) <= 1 s\n", "E0401"),
        (CHAT.replace("fp8}", "fp8} per layer"), "E0405"),
        ('import "gone.mem" as gone\n' + CHAT, "E0201"),
        ("(" * 10_000, None),
    ],
)  # fmt: skip
def test_bad_input_has_a_code_and_no_traceback(text: str, code: str | None, tmp_path: Path) -> None:
    plan = tmp_path / "bad.mem"
    plan.write_text(text)
    for verb in ("check", "solve"):
        done = run(verb, str(plan))
        assert done.returncode in (1, 2), done.stdout
        assert "Traceback" not in done.stderr
        assert (code or "E0") in done.stdout + done.stderr


@pytest.mark.parametrize("data", [b"\x00\x01\x02", b"\xff\xfe"])
def test_binary_files_are_refused(data: bytes, tmp_path: Path) -> None:
    plan = tmp_path / "bad.mem"
    plan.write_bytes(data)
    done = run("check", str(plan))
    assert done.returncode == 2
    assert "E0002" in done.stdout


def test_what_cannot_be_rented_says_so(tmp_path: Path) -> None:
    plan = tmp_path / "none.mem"
    plan.write_text(CHAT.replace("gpus     in 1..8", 'provider = "aws"; gpu = rtx_4090'))
    done = run("solve", str(plan), "--format", "json")
    assert done.returncode == 1
    assert [row["rule"] for row in json.loads(done.stdout)["conflict"]] == ["chat.offer", "chat.gpu", "chat.provider"]


def test_imports_point_downwards() -> None:
    order = ["diagnostics", "units", "syntax", "catalog", "language", "physics", "solve", "lock", "report", "cli"]
    for index, folder in enumerate(order):
        for file in (ROOT / "planner" / folder).glob("*.py"):
            text = file.read_text()
            for above in order[index + 1 :]:
                assert f"planner.{above}" not in text, f"{file} imports {above}"
