"""Faults while a lock or plan is written: a full disk, a folder nobody may write to, a kill at any moment."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from planner.lock.read import parse
from planner.syntax.files import write

ROOT = Path(__file__).parents[1]
PLAN = """\
edition 2026

inference chat {
  model       = "meta-llama/Llama-3.1-8B-Instruct"
  context     = 4Ki tokens
  concurrency = 4
  gpu         in {l4, l40s}
}
"""
OVERRIDE, SEARCH, DROP = 1, 2, 24  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, PR_CAPBSET_DROP


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A plan with an old lock."""
    folder = tmp_path / "plans"
    folder.mkdir()
    path = folder / "chat.mem"
    path.write_text(PLAN)
    path.with_name("chat.mem.lock").write_text("the old lock\n")
    return path


def command(*words: str, before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "planner", *words],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=before,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip


def whole(plan: Path) -> None:
    """The old lock is what it was, and nothing is left beside it."""
    assert plan.with_name("chat.mem.lock").read_text() == "the old lock\n"
    assert sorted(path.name for path in plan.parent.iterdir()) == ["chat.mem", "chat.mem.lock"]


def full_disk() -> None:
    """Let no file grow beyond 100 bytes: a write beyond fails as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


def no_superuser() -> None:
    """Take from root what lets it write where permissions say no; others have no such power."""
    for capability in (OVERRIDE, SEARCH):
        ctypes.CDLL(None).prctl(DROP, capability, 0, 0, 0)


def test_a_full_disk(plan: Path) -> None:
    done = command("solve", str(plan), before=full_disk)
    out, err = done.communicate()
    assert done.returncode == 2
    assert "cannot be written" in err and "Traceback" not in err
    assert "2 x" in out or "1 x" in out  # the answer is printed all the same
    whole(plan)


def test_a_full_disk_while_laying_out(plan: Path) -> None:
    plan.write_text(PLAN.replace("  model ", "      model "))
    before = plan.read_text()
    done = command("fmt", str(plan), before=full_disk)
    _, err = done.communicate()
    assert done.returncode == 2, err
    assert "E0005" in err
    assert plan.read_text() == before
    whole(plan)


@pytest.mark.parametrize("verb", ["solve", "fmt", "fix"])
def test_a_folder_nobody_may_write_to(plan: Path, verb: str) -> None:
    text = PLAN.removeprefix("edition 2026\n\n").replace("  model ", "      model ") if verb != "solve" else PLAN
    plan.write_text(text)
    plan.parent.chmod(0o555)
    try:
        done = command(verb, str(plan), before=no_superuser)
        _, err = done.communicate()
    finally:
        plan.parent.chmod(0o755)
    assert done.returncode == 2, err
    assert "cannot be written: Permission denied" in err
    assert plan.read_text() == text
    whole(plan)


STEPS = ("os.open", "os.fdopen", "os.fsync", "os.chmod", "os.replace")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_of_a_write(plan: Path, step: str, after: bool) -> None:
    """A process killed right before or after each step of a write leaves the old lock or the new one."""
    lock = plan.with_name("chat.mem.lock")
    child = os.fork()
    if not child:
        inner = getattr(os, step.partition(".")[2])

        def killed(*words: object, **more: object) -> object:
            if after:
                inner(*words, **more)
            os.kill(os.getpid(), signal.SIGKILL)
            return None

        setattr(os, step.partition(".")[2], killed)
        write(lock, "the new lock\n" * 10_000)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert lock.read_text() in ("the old lock\n", "the new lock\n" * 10_000)
    assert lock.read_text().startswith("the new") == (step == "os.replace" and after)
    write(lock, "the next lock\n")  # what a kill leaves beside does not stand in the way
    assert lock.read_text() == "the next lock\n"


def test_killed_while_solving(plan: Path) -> None:
    """Whenever the kill comes, the lock is the old one or a whole new one."""
    for wait in (0.1, 0.2, 0.3, 0.4):
        running = command("solve", str(plan))
        time.sleep(wait)
        running.kill()
        running.communicate()
        text = plan.with_name("chat.mem.lock").read_text()
        assert text == "the old lock\n" or parse(text, "chat.mem.lock", "")[1] is None


def test_a_write_that_fails_at_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a"
    target.write_text("old")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        write(target, "new")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_link_is_followed_and_permissions_stay(tmp_path: Path) -> None:
    target, link = tmp_path / "a", tmp_path / "b"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    write(link, "new")
    assert link.is_symlink() and target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o640


def test_a_lock_that_is_a_folder_or_cannot_be_read(plan: Path) -> None:
    lock = plan.with_name("chat.mem.lock")
    for data in (b"\xff\xfe", b"a\0b", b"- &a [*a]\n", b"x: " * 50_000):
        lock.write_bytes(data)
        done = command("check", str(plan), "--format", "concise")
        out, err = done.communicate()
        assert (done.returncode, "E0803" in out, "Traceback" in err) == (1, True, False)
    lock.unlink()
    lock.mkdir()
    done = command("check", str(plan), "--format", "concise")
    out, err = done.communicate()
    assert "E0803" in out and "Traceback" not in err
    done = command("solve", str(plan))
    out, err = done.communicate()
    assert done.returncode == 2 and "Traceback" not in err
    shutil.rmtree(lock)


def test_the_command_leaves_with_all_it_printed(plan: Path) -> None:
    """It ends at once; what is printed, the exit code and what is to be done at the end hold."""
    done = command("solve", "--no-lock", "--format", "json", "examples/fleet.mem")
    out, _ = done.communicate()
    assert (json.loads(out)["outcome"], done.returncode) == ("optimal", 0)
    for words, code in ((("check", "--locked", str(plan)), 1), (("solve", "no.mem"), 2), (("solve",), 2)):
        left = command(*words)
        left.communicate()
        assert left.returncode == code, words
    last = "import atexit, sys; atexit.register(print, 'last'); sys.argv = ['planner', 'version']"
    code_ = f"{last}; from planner.__main__ import main; main()"
    ended = subprocess.run([sys.executable, "-c", code_], capture_output=True, text=True, cwd=ROOT, check=True)
    assert ended.stdout.splitlines()[-1] == "last"
