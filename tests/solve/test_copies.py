"""`copies = n` is n workloads of one name in every verb; tests/oracle holds its answers against n blocks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import run

PLAN = """edition 2026
offer rack { gpu = l40s; gpus = 8; price = $2/h; available = 2 }
offer cloud { gpu = l40s; gpus = 4; price = $5/h; provider = lambda }
inference chat { model = "meta-llama/Llama-3.1-8B"; context = 8Ki tokens; concurrency = 8; copies = 20
                 gpu = l40s; offer in {rack, cloud}; gpus = 1; weights = bf16 }
"""
RELATED = PLAN + "require lots: sum(w.gpus for w in workloads) <= 20\n"


def groups(document: dict[str, object]) -> list[tuple[object, ...]]:
    rows = document["workloads"]
    assert isinstance(rows, list)
    return [(row["name"], row["copies"], row["of"], row["choice"]["offer"]) for row in rows]


@pytest.mark.parametrize("text", [PLAN, RELATED], ids=["as one class", "copy by copy"])
def test_every_verb_reads_copies(tmp_path: Path, text: str) -> None:
    plan = tmp_path / "plan.mem"
    count = "expect count(w for w in workloads where w.offer == rack) == 16"
    tests = 'test "few" { chat.copies = 3; expect fleet.cost == $2/h; expect chat.copies == 3 }\n'
    plan.write_text(f'{text}{tests}test "shares" {{ expect chat.cost <= $1.25/h; {count} }}\n')
    done = run("solve", str(plan), "--format", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["cost_usd_per_hour"] == 9
    assert sorted(groups(document)) == [("chat", 4, "chat", "cloud"), ("chat#2", 16, "chat", "rack")]
    assert [row["outcomes"]["cost_usd_per_hour"] for row in document["workloads"]] == [1.25, 0.25]
    for verb in (("check", "--locked"), ("test",), ("solve", "--check"), ("diff",), ("why",)):
        done = run(*verb, str(plan))
        assert done.returncode == 0, (verb, done.stdout, done.stderr)
    table = run("solve", str(plan)).stdout
    assert "chat (4 of 20 copies)" in table
    assert "shares 2 × rack with 15 other copies of chat" in table
    for form in ("markdown", "html"):
        assert "chat#2 (16 of 20 copies)" in run("solve", str(plan), "--format", form).stdout
    done = run("export", str(plan), "--to", "kubernetes", "-o", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["chat-2.k8s.yaml", "chat.k8s.yaml"]
    assert "copies    16: start this file that many times" in (tmp_path / "out/chat-2.k8s.yaml").read_text()


def test_more_copies_than_a_limited_offer_holds_are_infeasible(tmp_path: Path) -> None:
    plan = tmp_path / "plan.mem"
    plan.write_text(PLAN.replace("offer in {rack, cloud}", "offer = rack"))
    done = run("solve", str(plan))
    assert done.returncode == 1
    assert "rack.available" in done.stdout
    plan.write_text(PLAN.replace("offer in {rack, cloud}", "offer = rack").replace("copies = 20", "copies = 16"))
    assert run("solve", str(plan)).returncode == 0


def test_estimate_counts_copies(tmp_path: Path) -> None:
    plan = tmp_path / "plan.mem"
    plan.write_text(PLAN.replace("offer in {rack, cloud}", "offer = cloud"))
    done = run("estimate", str(plan), "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cost_usd_per_hour"] == 25  # twenty on five machines of four GPUs


def test_a_preference_is_worth_what_it_says_for_each_copy(tmp_path: Path) -> None:
    plan = tmp_path / "plan.mem"
    plan.write_text(PLAN + "prefer here: chat.offer == rack worth $1/h\n")
    document = json.loads(run("solve", str(plan), "--format", "json").stdout)
    assert document["objective"][0]["penalty"] == 4
    assert document["wishes"] == [{"name": "here", "kept": False}]


def test_a_lock_of_other_copies_is_out_of_date(tmp_path: Path) -> None:
    plan = tmp_path / "plan.mem"
    plan.write_text(PLAN)
    assert run("solve", str(plan)).returncode == 0
    plan.write_text(PLAN.replace("copies = 20", "copies = 21"))
    assert run("check", str(plan)).returncode == 1


def test_too_many_to_write_out_is_said(tmp_path: Path) -> None:
    plan = tmp_path / "plan.mem"
    plan.write_text(RELATED.replace("copies = 20", "copies = 2_000"))
    done = run("check", str(plan), "--format", "concise")
    assert done.returncode == 1
    assert "E0406" in done.stdout
    plan.write_text(PLAN.replace("copies = 20", "copies = 2_000") + "fleet { gpus <= 2_000 }\n")
    done = run("solve", str(plan), "--format", "json")
    assert done.returncode == 0, done.stderr
    assert sum(row["copies"] for row in json.loads(done.stdout)["workloads"]) == 2000


def test_a_start_of_a_copy_is_held_against_its_lock(tmp_path: Path) -> None:
    examples = Path(__file__).parents[2] / "examples"
    plan = tmp_path / "started.mem"
    text = (examples / "started.mem").read_text()
    head = "inference "
    plan.write_text(text.replace(text[text.index("{", text.index(head))], "{\n  copies = 2\n", 1))
    done = run("solve", str(plan))
    assert done.returncode == 0, done.stderr
    alone = run("verify", str(examples / "started.mem"), str(examples / "started.log"))
    done = run("verify", str(plan), str(examples / "started.log"))
    assert done.returncode == alone.returncode
    assert "E9901" not in done.stderr
