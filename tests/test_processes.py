"""Several plans at once: the same output, locks and exit codes as one after the other."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import run

from planner.cli import processes

EXAMPLES = Path(__file__).parents[1] / "examples"
ENV = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent)}


def double(number: int) -> int:
    if number == 13:
        raise ValueError("thirteen")
    return 2 * number


def test_results_come_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 2)
    some = [number for number in range(100) if number != 13]
    assert list(processes.each(double, some)) == [2 * number for number in some]


def test_what_fails_in_a_process_fails_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 2)
    found = processes.each(double, range(20))
    assert [next(found) for _ in range(13)] == [2 * number for number in range(13)]
    with pytest.raises(ValueError, match="thirteen"):
        next(found)


@pytest.mark.parametrize("form", ["table", "json"])
@pytest.mark.parametrize("names", ["chat impossible demand", "broken chat impossible", "chat nowhere demand"])
def test_several_plans_are_solved_as_one_after_the_other(tmp_path: Path, form: str, names: str) -> None:
    said = []
    for cores in ("", "import planner.cli.processes as processes; processes.cores = lambda: 1;"):
        folder = tmp_path / ("one" if cores else "two")
        folder.mkdir()
        for name in ("chat", "impossible", "demand"):
            shutil.copy(EXAMPLES / f"{name}.mem", folder)
        (folder / "broken.mem").write_text('inference a { modl = "x" }\n')
        code = f"{cores} from planner.__main__ import main; main()".strip()
        words = ["solve", "--format", form, *(f"{name}.mem" for name in names.split())]
        done = subprocess.run([sys.executable, "-c", code, *words], cwd=folder, env=ENV, capture_output=True, text=True)
        locks = {path.name: path.read_text() for path in sorted(folder.glob("*.lock"))}
        told = [line for line in done.stderr.splitlines() if not line.startswith("planner: ")]
        said.append((done.returncode, done.stdout, told, locks))
    assert said[0] == said[1]


def test_many_plans_are_checked_as_one_after_the_other(tmp_path: Path) -> None:
    for number in range(45):
        text = (EXAMPLES / ("chat.mem" if number % 3 else "fleet.mem")).read_text()
        (tmp_path / f"p{number:02}.mem").write_text(text if number != 20 else 'inference a { modl = "x" }\n')
    together = run("check", str(tmp_path), "--format", "concise")
    said = [run("check", str(path), "--format", "concise").stdout for path in sorted(tmp_path.glob("*.mem"))]
    assert together.returncode == 1
    assert together.stdout == "".join(said)
    assert "45 plans checked: 2 errors" in together.stderr


def test_an_interrupt_ends_all(tmp_path: Path) -> None:
    for name in ("a", "b"):
        blocks = "".join(
            f'inference w{place} {{ model = "Qwen/Qwen2.5-7B"; context = {4000 + place}; concurrency = 9 }}\n'
            for place in range(900)
        )
        (tmp_path / f"{name}.mem").write_text(blocks + "fleet { gpus <= 400 }\n")
    code = "from planner.__main__ import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "solve", "--no-lock", "--time-limit", "100s", "a.mem", "b.mem"],
        cwd=tmp_path,
        env=ENV,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(2)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(20) == 130
