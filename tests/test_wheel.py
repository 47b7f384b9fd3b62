"""A built wheel, installed in an empty environment, finds its grammar and catalogs and solves a plan."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_wheel_solves_a_plan(tmp_path: Path) -> None:
    run = {"check": True, "capture_output": True, "text": True, "timeout": 500}
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path / "dist", ROOT],
        **run,  # type: ignore[call-overload]
    )
    wheel = next((tmp_path / "dist").glob("*.whl"))
    assert "planner/_data/grammar/mem.table.json" in zipfile.ZipFile(wheel).namelist()
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-compile"]
    subprocess.run([*pip, wheel], **run)  # type: ignore[call-overload]
    plan = tmp_path / "chat.mem"
    shutil.copy(ROOT / "examples/chat.mem", plan)
    subprocess.run([tmp_path / "env/bin/planner", "solve", plan], cwd=tmp_path, **run)  # type: ignore[call-overload]
    assert (tmp_path / "chat.mem.lock").read_bytes() == (ROOT / "examples/chat.mem.lock").read_bytes()
