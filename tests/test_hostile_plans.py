"""Bad and hostile plans through the command line: no traceback (test_fuzz.py has thousands of mutated ones)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHAT = (ROOT / "examples/chat.mem").read_text(encoding="utf-8")
BOMB = "as_of: '2026-11-01'\na: &a [x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)
NEGATIVE = (
    "as_of: '2026-11-01'\nrows:\n- {id: own/here/box, provider: own, instance_type: box, region: here, gpu: l4, "
    "gpus: 1, price_usd_h: -1, sold_by: instance, as_of: '2026-11-01', source: our own}\n"
)


HEAVY = {"deep parentheses", "deep blocks", "deep sets", "deep nots", "long chain of lets", "long sum", "alias bomb"}
"""Plans that would cost memory or time: each has a process of its own, and limits."""


def check(path: Path) -> subprocess.CompletedProcess[str]:
    """Check a plan with at most 1.5 GB of memory and 60 s of time: bad input costs neither."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (3 << 29, 3 << 29)); "
    code = limit + "from planner.cli.main import main; main()"
    words = [sys.executable, "-c", code, "check", "--format", "concise", str(path)]
    return subprocess.run(words, capture_output=True, text=True, cwd=path.parent, timeout=60)


def check_here(path: Path, capsys: pytest.CaptureFixture[str]) -> subprocess.CompletedProcess[str]:
    """Check a plan in this process, which is quicker."""
    from planner.cli.main import app

    with pytest.raises(SystemExit) as left:
        app(["check", "--format", "concise", str(path)])
    said = capsys.readouterr()
    return subprocess.CompletedProcess((), int(left.value.code or 0), said.out, said.err)


TEN = """\
let budget = $40 +
inference chat {
  model       = "meta-llama/Llama-3.1-8"
  context     = 80 GiB
  concurrency = many
  weights  in {}
  gpus     in 8..1
  gpuz     = 2
  kv_cache = nf4
}
require spare: chat.replica >= 2
minimize latency
"""

PLANS: dict[str, tuple[str | bytes, str, int]] = {
    "empty": ("", "E0404", 1),
    "binary": (b"\x00\x01\x02\xfe", "E0002", 2),
    "bad utf-8": (b"edition 2026\n\xff\xfe\n", "E0002", 2),
    "missing import": ('import "gone.mem" as gone\n' + CHAT, "E0201", 1),
    "import cycle": ('import "other.mem" as other\n' + CHAT, "E0202", 1),
    "bytes for tokens": (CHAT.replace("8Ki tokens", "80 GiB"), "E0401", 1),
    "empty set": (CHAT.replace("{bf16, fp8, int4}", "{}"), "E0501", 1),
    "backwards": (CHAT.replace("1..8", "8..1"), "E0502", 1),
    "near model": (CHAT.replace("3.1-8B-Instruct", "3.1-8B-Instrukt"), "E0301", 1),
    "duplicate name": (CHAT + CHAT.partition("2026")[2].partition("minimize")[0], "E0302", 1),
    "unclosed brace": (CHAT.replace("}\n\nmin", "\nmin"), "E0103", 1),
    "deep parentheses": (CHAT + "require " + "(" * 10_000 + "1" + ")" * 10_000 + " <= 2\n", "E0104", 1),
    "deep blocks": ("a {" * 10_000, "E0104", 1),
    "deep sets": (CHAT.replace("{bf16, fp8, int4}", "{" * 10_000 + "}" * 10_000), "E0104", 1),
    "deep nots": (CHAT + "require " + "not " * 10_000 + "true\n", "E0104", 1),
    "long chain of lets": (
        "".join(f"let n_{i} = n_{i + 1} + 1\n" for i in range(5000)) + "let n_5000 = gone\n",
        "E0301",
        1,
    ),
    "long sum": (CHAT + "require chat.cost <= $1/h" + " + $1/h" * 5000 + "\n", "E0104", 1),
    "alias bomb": ('import "bomb_gpus.yaml"\n' + CHAT, "E0203", 1),
    "negative price in a catalog": ('import "bad_offers.yaml"\n' + CHAT, "E0203", 1),
    "negative price": ("offer rack { gpu = l4; gpus = 1; price = -$1/h }\n" + CHAT, "E0403", 1),
    "huge number": (CHAT.replace("= 32", "= 1e999999999"), "E0105", 1),
    "huge range": (CHAT.replace("1..8", "1..4_000 step 0.000_000_1"), "E0403", 1),
}


@pytest.mark.parametrize("name", PLANS)
def test_a_bad_plan_has_its_code_and_place(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, code, exit_code = PLANS[name]
    plan = tmp_path / "bad.mem"
    plan.write_bytes(text if isinstance(text, bytes) else text.encode())
    (tmp_path / "other.mem").write_text('import "bad.mem" as bad\n')
    (tmp_path / "bomb_gpus.yaml").write_text(BOMB + "rows: [*i, *i]\n")
    (tmp_path / "bad_offers.yaml").write_text(NEGATIVE)
    done = check(plan) if name in HEAVY else check_here(plan, capsys)
    assert done.returncode == exit_code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stdout.splitlines() if f"[{code}]" in line]
    assert lines, done.stdout
    if exit_code == 1:
        assert re.match(r".+?:\d+:\d+: error", lines[0]), lines[0]


def test_ten_mistakes_are_ten_findings(tmp_path: Path) -> None:
    plan = tmp_path / "bad.mem"
    plan.write_text(TEN)
    errors = [line for line in check(plan).stdout.splitlines() if ": error[" in line]
    assert [int(line.split(":")[1]) for line in errors] == [1, 3, 4, 5, 6, 7, 8, 9, 11, 12]


def test_a_file_of_100_mb_is_refused(tmp_path: Path) -> None:
    plan = tmp_path / "huge.mem"
    with plan.open("wb") as file:
        file.truncate(100_000_000)
    done = check(plan)
    assert done.returncode == 2
    assert "E0003" in done.stdout


def test_imports_that_double_at_each_step_end(tmp_path: Path) -> None:
    for step in range(25):
        (tmp_path / f"s{step}.mem").write_text(f'import "s{step + 1}.mem" as a\nimport "s{step + 1}.mem" as b\n')
    (tmp_path / "s25.mem").write_text("let x = 1\n")
    done = check(tmp_path / "s0.mem")
    assert done.returncode == 1
    assert "E0205" in done.stdout
