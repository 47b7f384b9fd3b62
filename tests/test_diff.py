"""`planner diff`: both sides, in every form, against the lock and against git."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import command
import pytest
from command import Done
from golden import compare as golden

from planner.lock.compare import Difference, Side, compare
from planner.lock.revision import NoRevision, extract
from planner.report.difference import render, signed

CHAT: dict[str, Any] = {
    "choice": {"gpu": "a40", "gpus": 2, "offer": "x/y/a40", "provider": "x", "region": "y", "weights": "bf16"},
    "instances": 2,
    "cost_micro_usd_per_hour": 800_000,
    "memory": {"usable": 40 * 2**30, "total": 30 * 2**30, "parts": {"weights": 20 * 2**30, "kv_cache": 10 * 2**30}},
    "outcomes": {"cost": 0.8, "headroom": 0.25, "quality": 1, "tpot": 0.12, "throughput": 530.5},
}


def other() -> dict[str, Any]:
    row = copy.deepcopy(CHAT)
    row["choice"] |= {"gpu": "l40s|x", "gpus": 1, "offer": "z/y/l40s", "provider": "z", "weights": "fp8_e4m3"}
    row |= {"instances": 1, "cost_micro_usd_per_hour": 1_861_000}
    row["memory"] |= {"total": 22 * 2**30, "parts": {"weights": 10 * 2**30, "kv_cache": 12 * 2**30}}
    row["outcomes"] |= {"cost": 1.861, "headroom": 0.45, "quality": 0.985}
    return row


BEFORE = Side("optimal", {"chat": CHAT, "code": CHAT, "old": CHAT})
AFTER = Side("optimal", {"chat": other(), "code": CHAT, "new": other()})
CASES: dict[str, tuple[Difference, ...]] = {
    "changed": (compare("plans/chat.mem", "main", BEFORE, AFTER),),
    "same": (compare("plans/chat.mem", "plans/chat.mem.lock", BEFORE, BEFORE),),
    "first": (compare("plans/chat.mem", "plans/chat.mem.lock", None, AFTER),),
    "infeasible": (compare("plans/chat.mem", "main", BEFORE, Side("infeasible", {}, ("chat.memory", "fleet.cost"))),),
    "several": (compare("a.mem", "main", BEFORE, AFTER), compare("b.mem", "main", AFTER, AFTER)),
}


@pytest.mark.parametrize("form", ["table", "json", "markdown", "html"])
@pytest.mark.parametrize("name", CASES)
def test_stored(form: str, name: str) -> None:
    golden(f"diff/{name}.{form}", render(form, CASES[name]) + "\n")


def test_one_line_when_nothing_changed() -> None:
    assert "\n" not in render("table", CASES["same"])
    assert "\n" not in render("markdown", CASES["same"])


def test_both_ways_add_up() -> None:
    there, back = compare("a", "b", BEFORE, AFTER), compare("a", "b", AFTER, BEFORE)
    assert there.cost.after - there.cost.before == 2 * (1_861_000 - 800_000)
    assert (there.cost.before, there.cost.after) == (back.cost.after, back.cost.before)
    assert signed(1_000_000) == "+$730/month"
    assert signed(-1_000_000) == "-$730/month"


PLAN = """\
import "shared/m.mem" as shared

inference w {
  model       = shared.tuned
  context     = 4Ki tokens
  concurrency = 4
  gpu         in {l4, l40s}
}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "plans/shared").mkdir(parents=True)
    (tmp_path / "plans/shared/m.mem").write_text('model tuned like "meta-llama/Llama-3.1-8B" { vocab = 128_512 }\n')
    (tmp_path / "plans/w.mem").write_text(PLAN)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def run(folder: Path, *words: str) -> Done:
    return command.run(*words, cwd=folder)


def test_a_revision_has_its_own_imports(repository: Path) -> None:
    shared = repository / "plans/shared/m.mem"
    shared.write_text(shared.read_text().replace("3.1-8B", "3.1-70B"))
    old = extract(str(repository / "plans/w.mem"), "HEAD", repository / "out")
    assert old is not None
    assert old.read_text() == PLAN
    assert "3.1-8B" in (old.parent / "shared/m.mem").read_text()
    done = run(repository, "diff", "plans/w.mem", "--against", "HEAD", "--format", "json")
    (item,) = json.loads(done.stdout)["plans"]
    assert done.returncode == 0, done.stderr
    assert item["changed"] and item["difference_usd_per_month"] > 0
    assert run(repository, "diff", "plans/w.mem", "--against", "HEAD", "--exit-code").returncode == 1


def test_a_plan_that_was_not_there(repository: Path) -> None:
    shutil.copy(repository / "plans/w.mem", repository / "plans/v.mem")
    assert extract(str(repository / "plans/v.mem"), "HEAD", repository / "out") is None
    done = run(repository, "diff", "plans/v.mem", "--against", "HEAD")
    assert done.returncode == 0
    assert "there is no answer in HEAD" in done.stdout


@pytest.mark.parametrize("revision", ["nosuch", "--output=/tmp/x", "HEAD:plans/w.mem"])
def test_no_revision(repository: Path, revision: str) -> None:
    with pytest.raises(NoRevision):
        extract(str(repository / "plans/w.mem"), revision, repository / "out")


def test_no_repository(tmp_path: Path) -> None:
    (tmp_path / "w.mem").write_text(PLAN)
    done = run(tmp_path, "diff", "w.mem", "--against", "HEAD")
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr


def test_against_the_lock(repository: Path) -> None:
    plan = repository / "plans/w.mem"
    assert run(repository, "solve", str(plan)).returncode == 0
    same = run(repository, "diff", "plans")
    assert same.stdout.count("\n") == 1 and "nothing changed" in same.stdout
    plan.write_text(PLAN.replace("concurrency = 4", "concurrency = 40"))
    done = run(repository, "diff", "plans/w.mem")
    assert "/month" in done.stdout.splitlines()[0]
    lock = plan.with_name("w.mem.lock")
    lock.write_text("<<<<<<< a\n")
    assert "E0803" in run(repository, "diff", "plans/w.mem").stderr
