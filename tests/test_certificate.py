"""What a lock says of its proof: counted again without a solver, and every edit of it is reported."""

from __future__ import annotations

import copy
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from planner.language.problem import Problem
from planner.lock import read as reading
from planner.lock.certificate import prove
from planner.lock.lock import checksum, document, sealed
from planner.lock.verify import verify
from planner.plan import Loaded, load_plan
from planner.solve import solve
from planner.solve.fleet import cpsat
from planner.solve.fleet.prices import best_prices, priced_rows

ROOT = Path(__file__).parents[1]
MODELS = ("meta-llama/Llama-3.1-8B", "Qwen/Qwen2.5-0.5B", "Qwen/Qwen2.5-7B")
PROVEN = {
    "comparison": (ROOT / "examples/chat.mem").read_text(encoding="utf-8"),
    "prices": (ROOT / "examples/copies.mem").read_text(encoding="utf-8"),
    "search": """edition 2026
offer rack { gpu = l40s; gpus = 4; price = $1/h; available = 1 }
inference a { model = "Qwen/Qwen2.5-7B"; context = 8192; concurrency = 16; gpus in 1..4 }
inference b { model = "meta-llama/Llama-3.1-8B"; context = 8192; concurrency = 24; gpus in 1..4 }
require same: a.gpu == b.gpu
require few: a.gpus + b.gpus >= 3
""",
}


def fleet(draw: random.Random) -> str:
    """Return a plan of a few services on a small rack and the clouds, with limits that may bind."""
    count = draw.randint(1, 4)
    out = ["edition 2026\n"]
    if draw.random() < 0.8:
        gpu, gpus = draw.choice((("l40s", 4), ("h100_sxm", 8), ("rtx_4090", 2)))
        price = draw.choice((0, 1, 2, 5))
        out.append(
            f"offer rack {{ gpu = {gpu}; gpus = {gpus}; price = ${price}/h; available = {draw.randint(1, 3)} }}\n"
        )
    bounds = [f"cost <= ${draw.choice((3, 8, 40))}/h"] * (draw.random() < 0.5)
    bounds += [f"gpus <= {draw.randint(2, 9)}"] * (draw.random() < 0.4)
    bounds += [f"power <= {draw.choice((400, 1500, 4000))} W"] * (draw.random() < 0.2)
    if bounds:
        out.append(f"fleet {{ {'; '.join(bounds)} }}\n")
    for place in range(count):
        copies = f"; copies = {draw.randint(2, 5)}" if draw.random() < 0.3 else ""
        out.append(
            f'inference w{place} {{ model = "{draw.choice(MODELS)}"; context = {draw.choice((2048, 8192))}; '
            f"concurrency = {draw.choice((4, 16, 48))}; gpus in 1..{draw.choice((2, 4, 8))}; "
            f"weights in {{bf16, fp8}}{copies} }}\n"
        )
    if draw.random() < 0.3:
        out.append(f"prefer one: w0.gpu == {draw.choice(('l40s', 'a40'))} worth ${draw.choice((50, 400))}/month\n")
    return "".join(out)


def solved(text: str) -> tuple[Loaded, dict[str, Any]]:
    """Return a plan and what its lock says."""
    loaded = load_plan("w.mem", text=text)
    assert loaded.problem is not None, loaded.findings
    answer = solve(loaded.problem, loaded.catalog, top=0, time_limit=120)
    return loaded, document(answer, loaded.problem, loaded.catalog, loaded.texts)


def judged(loaded: Loaded, lock: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return the codes that `check` finds, and those that `check --proof` finds beside them."""
    found, broken = reading.parse(sealed(lock), "w.mem.lock", "again")
    if broken is not None:
        return [broken.code], []
    assert found is not None
    assert loaded.problem is not None
    first = [item.code for item in verify(loaded.problem, loaded.catalog, loaded.texts, found)[0]]
    return first, [] if first else [item.code for item in prove(loaded.problem, loaded.catalog, found, "again")]


@pytest.fixture
def no_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whatever starts the solver fail."""

    def started(*words: object, **named: object) -> None:
        raise AssertionError("the solver was started")

    monkeypatch.setattr(cpsat, "solve", started)
    monkeypatch.setattr(cpsat, "infeasible", started)


@pytest.mark.parametrize("method", PROVEN)
def test_every_edit_of_a_certificate_is_told(method: str, request: pytest.FixtureRequest) -> None:
    loaded, lock = solved(PROVEN[method])
    assert lock["outcome"] == "optimal"
    assert lock["proof"]["method"] == method
    request.getfixturevalue("no_solver")
    plain, proof = judged(loaded, lock)
    assert plain == []
    assert set(proof) <= {"W0811"}
    assert bool(proof) == (method != "comparison"), "prices say nothing of `then maximize headroom`"
    made = list(edits(lock))
    assert len(made) > 20
    for what, other in made:
        plain, proof = judged(loaded, other)
        assert {*plain, *proof} & {"E0803", "E0805", "E0811"}, what


def edits(lock: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return a lock with each part of its certificate changed, removed, and with another beside it."""
    out = []

    def one(what: str) -> dict[str, Any]:
        other = copy.deepcopy(lock)
        out.append((what, other))
        proof: dict[str, Any] = other["proof"]
        return proof

    for key, value in lock["proof"].items():
        if key == "reproducible":
            continue
        del one(f"without {key}")[key]
        if isinstance(value, dict):
            one(f"{key} empty")[key] = {} if value else {"x": 1}
            one(f"{key} with more")[key]["other"] = 1
            one(f"{key} a number")[key] = 1
            for name, count in value.items():
                del one(f"{key} without {name}")[key][name]
                for now in (count + 1, count - 1, -count, 0, 2 * count, str(count), None):
                    one(f"{key}.{name} = {now}")[key][name] = now
        elif isinstance(value, int):
            for changed in (value + 1, value - 1, 0, -1, 2 * value, None, float(value), "x"):
                one(f"{key} = {changed}")[key] = changed
        else:
            for word in ("comparison", "prices", "search", "guess", None):
                if word != value:
                    one(f"{key} = {word}")[key] = word
    one("with another key")["more"] = 1
    return out


def test_a_certificate_of_a_dearer_answer_is_refused() -> None:
    """The best answer of a plan that offers less, sealed as that of one that offers more, with a proof to match."""
    for method in ("comparison", "prices"):
        text = PROVEN[method]
        loaded, best = solved(text)
        block = next(iter(best["workloads"]))
        gpu = best["workloads"][block]["choice"]["gpu"]
        less = text.replace(f"inference {block} {{", f"inference {block} {{\n  gpu != {gpu}")
        assert less != text
        _, dearer = solved(less)
        assert dearer["cost_usd_per_hour"] > best["cost_usd_per_hour"]
        forged = dearer | {key: best[key] for key in ("plan", "imports", "catalogs")}
        for proof in (dearer["proof"], best["proof"]):
            plain, counted = judged(loaded, forged | {"proof": proof})
            assert {*plain, *counted} & {"E0805", "E0811"}, (method, proof)


def test_a_dearer_answer_that_claims_a_search_is_refused() -> None:
    text = PROVEN["prices"]
    loaded, best = solved(text)
    block = next(iter(best["workloads"]))
    gpu = best["workloads"][block]["choice"]["gpu"]
    _, dearer = solved(text.replace(f"inference {block} {{", f"inference {block} {{\n  gpu != {gpu}"))
    forged = dearer | {key: best[key] for key in ("plan", "imports", "catalogs")}
    forged["proof"] = best["proof"] | {"method": "search"}
    plain, counted = judged(loaded, forged)
    assert plain == []
    assert "E0811" in counted, "the greedy answer is cheaper"


def test_a_worse_later_goal_does_not_pass_as_counted() -> None:
    """Prices prove the first goal alone: a lock with a worse answer of the same cost says so."""
    text = """edition 2026
offer rack { gpu = l40s; gpus = 4; price = $1/h; available = 2 }
inference a { model = "meta-llama/Llama-3.1-8B"; context = 8192; concurrency = 16; weights in {bf16, fp8}; gpus in 1..2; offer in {rack} }
inference b { model = "mistralai/Mistral-7B-v0.1"; context = 4096; concurrency = 24; weights in {bf16, fp8}; gpus in 1..2; offer in {rack} }
fleet { cost <= $8/h }
minimize cost"""  # noqa: E501
    loaded, best = solved(f"{text} then minimize power\n")
    _, worse = solved(f"{text} then maximize power\n")
    assert best["proof"]["method"] == "prices"
    forged = worse | {key: best[key] for key in ("plan", "imports", "catalogs", "proof")}
    for part, right in zip(forged["objective"], best["objective"], strict=True):
        part["direction"] = right["direction"]
    assert forged["objective"][1]["value"] != best["objective"][1]["value"]
    assert judged(loaded, forged) == ([], ["W0811"])
    assert judged(*solved(f"{text}\n")) == ([], []), "and of one goal it proves all"


def test_the_page_shows_what_a_lock_says() -> None:
    lock = (ROOT / "examples/copies.mem.lock").read_text(encoding="utf-8")
    part = lock[lock.index("proof:\n") : lock.index("workloads:\n")]
    assert f"```yaml\n{part}```" in (ROOT / "docs/answers.md").read_text(encoding="utf-8")


def test_locks_without_a_certificate_are_read() -> None:
    loaded, lock = solved(PROVEN["comparison"])
    before = lock | {"proof": {"reproducible": True}}
    assert judged(loaded, before) == ([], ["W0811"])


def test_the_command_counts_again(tmp_path: Path) -> None:
    """In a process of its own, which imports nothing of OR-Tools."""
    for name in ("chat", "copies"):
        for end in ("mem", "mem.lock"):
            (tmp_path / f"{name}.{end}").write_bytes((ROOT / f"examples/{name}.{end}").read_bytes())
    code = (
        "import sys\nfrom planner.cli.main import main\n"
        "try:\n    main()\nfinally:\n    print(sorted(name for name in sys.modules if name.startswith('ortools')))\n"
    )
    words = [sys.executable, "-c", code, "check", "--proof", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout.rstrip().endswith("[]"), done
    assert "E0811" not in done.stdout + done.stderr
    assert done.returncode == 0, done
    lock = tmp_path / "copies.mem.lock"
    text = lock.read_text(encoding="utf-8")
    body = text[: text.index("checksum: ")].replace("candidates: ", "candidates: 1")
    lock.write_text(f"{body}checksum: {checksum(body)}\n", encoding="utf-8")
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert "E0811" in done.stdout
    assert "`candidates` is" in done.stdout


@pytest.mark.parametrize("seed", range(6))
def test_random_fleets_are_proven_again_and_no_bound_is_above_the_optimum(seed: int) -> None:
    draw = random.Random(f"certificates {seed}")
    text = fleet(draw)
    loaded, lock = solved(text)
    if lock["outcome"] != "optimal":
        return
    plain, counted = judged(loaded, lock)
    assert plain == [], text
    assert set(counted) <= {"W0811"}, text
    for place, (_, other) in enumerate(edits(lock)):
        if place % 7 == seed % 7:
            plain, counted = judged(loaded, other)
            assert {*plain, *counted} & {"E0803", "E0805", "E0811"}, text
    value = round(lock["objective"][0]["value"] * 10**6 + lock["objective"][0].get("penalty", 0) * 10**6)
    assert _any_prices(loaded, draw, value), text


def _any_prices(loaded: Loaded, draw: random.Random, value: int) -> bool:
    """Return whether no prices, however drawn, give a bound above what the best answer costs."""
    from planner.solve.choose.choose import sort_out
    from planner.solve.kinds import tables_of

    problem = loaded.problem
    assert isinstance(problem, Problem)
    tables = tables_of(problem, loaded.catalog)
    rows = priced_rows(problem, tables, sort_out(problem, tables).beside_others)
    assert rows is not None
    tried = [tuple(best_prices(rows, value))]
    for _ in range(40):
        tried.append(
            tuple(
                limit.sign * draw.randrange(1 + min(rows.largest_price(place), 10 ** draw.randint(1, 13)))
                for place, limit in enumerate(rows.limits)
            )
        )
    bounds = [rows.whole(prices) for prices in tried]
    return all(bound is None or bound <= value for bound in bounds)


def test_a_certificate_does_not_grow_with_its_plan() -> None:
    """What a lock says of its proof has a line for each rule and limit, not for each workload."""
    one, many = (
        solved(f"edition 2026\n{_services(count)}fleet {{ cost <= $900/h }}\n")[1]["proof"] for count in (2, 9)
    )
    assert many["candidates"] > one["candidates"]
    assert len(many["removed"]) == len(one["removed"])


def _services(count: int) -> str:
    words = 'model = "Qwen/Qwen2.5-0.5B"; context = 2048; gpus in 1..2'
    return "".join(f"inference w{place} {{ {words}; concurrency = {place + 4} }}\n" for place in range(count))
