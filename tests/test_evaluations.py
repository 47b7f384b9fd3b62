"""Evaluations of one's own: two files of lm-evaluation-harness become a quality, and what is like them takes it."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from planner.catalog.load import load
from planner.catalog.measured.evaluation_results import kept, read
from planner.cli.main import app
from planner.cli.plan import load_plan
from planner.solve import estimate, solve
from planner.solve.candidate import Candidate
from planner.wording import note_text

CATALOG, _ = load()
MODEL = "Qwen/Qwen3-8B"


def results(scores: dict[str, float], error: float = 0.006, **more: Any) -> dict[str, Any]:
    """A file of one metric a task, as `lm_eval --output_path` lays it out."""
    return {
        "results": {
            task: {"alias": task, "acc,none": score, "acc_stderr,none": error} for task, score in scores.items()
        },
        "n-shot": dict.fromkeys(scores, 5),
        "versions": dict.fromkeys(scores, 1),
        "n-samples": {task: {"original": 100, "effective": 100} for task in scores},
        **more,
    }


NATIVE, FP8 = {"gsm8k": 0.9, "arc": 0.6}, {"gsm8k": 0.873, "arc": 0.597}


def of(native: dict[str, Any], quantized: dict[str, Any]) -> Any:
    return kept(read(json.dumps(native)), read(json.dumps(quantized)))


def test_the_task_that_kept_least_decides() -> None:
    found = of(results(NATIVE), results(FP8))
    assert (found.quality, found.task, found.metric, found.tasks) == (Fraction(97, 100), "gsm8k", "acc", 2)
    assert not found.chance


def test_a_difference_within_two_standard_errors_is_said_to_be_so() -> None:
    """0.027 lies within 2 x sqrt(2) x 0.01 = 0.0283, and beyond 2 x sqrt(2) x 0.009."""
    assert of(results(NATIVE, 0.01), results(FP8, 0.01)).chance
    assert not of(results(NATIVE, 0.009), results(FP8, 0.009)).chance


def test_a_group_counts_and_its_parts_do_not() -> None:
    native = results({**NATIVE, "mmlu": 0.7, "mmlu_law": 0.5}, group_subtasks={"mmlu": ["mmlu_law"]})
    quantized = results({**FP8, "mmlu": 0.69, "mmlu_law": 0.1}, group_subtasks={"mmlu": ["mmlu_law"]})
    assert of(native, quantized).task == "gsm8k"


def test_what_is_better_the_lower_it_is_does_not_count() -> None:
    native, quantized = results(NATIVE), results(FP8)
    for one, value in ((native, 10.0), (quantized, 5.0)):
        one["results"]["wiki"] = {"word_perplexity,none": value, "word_perplexity_stderr,none": "N/A"}
        one["results"]["arc"]["err,none"] = value / 100
        one["higher_is_better"] = {"arc": {"acc": True, "err": False}}
    assert of(native, quantized).quality == Fraction(97, 100)


def test_every_filter_of_a_metric_counts() -> None:
    native, quantized = results(NATIVE), results(FP8)
    native["results"]["arc"]["exact_match,strict"] = 0.8
    quantized["results"]["arc"]["exact_match,strict"] = 0.4
    assert (of(native, quantized).quality, of(native, quantized).metric) == (Fraction(1, 2), "exact_match,strict")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"results": {"gsm8k": {"acc,none": 0.8}}}, "the quantized run has no task `arc`"),
        ({"n-shot": {"gsm8k": 8, "arc": 5}}, "`gsm8k` has shots 5 natively and 8 quantized"),
        ({"versions": {"gsm8k": 1}}, "`arc` has version 1 natively and unsaid quantized"),
        ({"n-samples": {"gsm8k": {"effective": 10}}}, "`gsm8k` has samples"),
        ({"results": {"gsm8k": {"acc_norm,none": 0.8}, "arc": {"acc,none": 0.5}}}, "no `acc,none` of `gsm8k`"),
    ],
)
def test_runs_that_are_not_alike_are_refused_by_name(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        of(results(NATIVE), {**results(FP8), **change})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("[]", "no `results`"),
        ('{"results": {}}', "no `results`"),
        ('{"results": 7}', "no `results`"),
        ("[" * 100_000, "nested too deeply"),
        ('{"results": {"a": {"acc,none": "high"}, "b": 3}}', "none of its tasks"),
        ('{"results": {"a": {"acc,none": NaN, "f1,none": 1e999, "em,none": -1}}}', "none of its tasks"),
        ('{"results": {"a": {"acc,none": true}}}', "none of its tasks"),
    ],
)
def test_what_is_no_evaluation_says_why(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read(text)


def test_nothing_is_kept_of_nothing() -> None:
    with pytest.raises(ValueError, match="scored 0 in `acc,none` of `gsm8k`"):
        of(results({"gsm8k": 0.0}), results({"gsm8k": 0.1}))


PLAN = """
edition 2026
inference chat {{
  model = "{model}"
  {formats}
  context = 4Ki tokens
  concurrency = 4
  gpu = h100_sxm
  gpus = 1
}}
{blocks}
"""


def plan(folder: Path, blocks: str, formats: str = "weights = fp8", model: str = MODEL) -> Path:
    for name, scores in (("native", NATIVE), ("fp8", FP8)):
        named = MODEL + ("-FP8" if name == "fp8" else "")
        (folder / f"{name}.json").write_text(json.dumps(results(scores, model_name=named)))
    path = folder / "plan.mem"
    path.write_text(PLAN.format(model=model, formats=formats, blocks=blocks))
    return path


def chosen(path: Path, fixed: bool = False) -> Candidate:
    loaded = load_plan(str(path))
    assert loaded.problem is not None, [item.message for item in loaded.findings]
    (row,) = (estimate if fixed else solve)(loaded.problem, CATALOG).workloads
    return row.chosen


def quality(path: Path) -> float:
    found = chosen(path).outcomes["quality"]
    assert found is not None and not isinstance(found, str)
    return float(found)


def share(name: str, what: str, value: str) -> str:
    return f'measurement {name} {{ model = "{MODEL}"; {what}; quality = {value} }}\n'


FILES = 'measurement ours { quality = lm_eval("native.json", "fp8.json") }'


def test_files_say_the_model_the_format_and_the_quality(tmp_path: Path) -> None:
    path = plan(tmp_path, FILES)
    row = chosen(path)
    assert row.outcomes["quality"] == Fraction(97, 100)
    assert row.measurements == ("ours",)
    assert [note_text(item) for item in row.notes] == ["anchored on your evaluation ours: quality 97 % by gsm8k"]


def test_what_was_evaluated_together_stands_for_both(tmp_path: Path) -> None:
    blocks = share("w", "weights = fp8", "98%") + share("c", "kv_cache = fp8", "99%")
    formats = "weights = fp8; kv_cache = fp8"
    assert quality(plan(tmp_path, blocks, formats)) == pytest.approx(0.98 * 0.99)
    assert quality(plan(tmp_path, blocks, "weights = bf16; kv_cache = fp8")) == pytest.approx(0.99)
    both = blocks + share("b", "weights = fp8; kv_cache = fp8", "95%")
    assert quality(plan(tmp_path, both, formats)) == pytest.approx(0.95)
    assert chosen(tmp_path / "plan.mem").measurements == ("b",)
    assert quality(plan(tmp_path, both)) == pytest.approx(0.98)


def test_the_worst_of_several_decides_and_none_gives_more_than_all(tmp_path: Path) -> None:
    blocks = share("a", "weights = fp8", "98%") + share("b", "weights = fp8", "96%")
    assert quality(plan(tmp_path, blocks)) == pytest.approx(0.96)
    assert quality(plan(tmp_path, share("a", "weights = fp8", "103%"))) == 1


def test_what_nobody_measured_is_known_by_an_evaluation(tmp_path: Path) -> None:
    formats = "weights = int4_g32"
    assert chosen(plan(tmp_path, "", formats)).outcomes["quality"] is None
    path = plan(tmp_path, share("ours", formats, "98.5%"), formats)
    path.write_text(path.read_text().replace("gpus = 1", "gpus = 1\n  quality >= 98%"))
    assert quality(path) == pytest.approx(0.985)
    assert not [item for item in load_plan(str(path)).findings if item.code == "W0604"]


@pytest.mark.parametrize("other", ["Qwen/Qwen3-14B", "meta-llama/Llama-3.1-8B"])
def test_an_evaluation_of_another_model_changes_nothing(other: str, tmp_path: Path) -> None:
    blocks = share("ours", "weights = fp8", "50%")
    assert quality(plan(tmp_path, blocks, model=other)) > 0.9


def test_an_evaluation_of_other_formats_says_that_it_does_not_count(tmp_path: Path) -> None:
    path = plan(tmp_path, share("ours", "weights = fp8; kv_cache = fp8", "90%"))
    row = chosen(path)
    assert row.measurements == ()
    assert (
        note_text(row.notes[-1]) == "measurements not applied: ours of weights in fp8_e4m3 and a KV cache in fp8_e4m3"
    )


@pytest.mark.parametrize("formats", ["weights = fp8", "weights = fp8; kv_cache = fp8", "kv_cache = fp8"])
def test_table_and_single_candidates_agree(formats: str, tmp_path: Path) -> None:
    blocks = share("w", "weights = fp8", "98%") + share("c", "kv_cache = fp8", "97%")
    path = plan(tmp_path, blocks, formats)
    assert chosen(path).outcomes == chosen(path, fixed=True).outcomes


@pytest.mark.parametrize(
    ("block", "code", "message"),
    [
        ("quality = 97%", "E0404", "does not say `model`"),
        (f'model = "{MODEL}"; quality = 97%', "E0404", "does not say what was quantized"),
        (f'model = "{MODEL}"; weights = bf16; quality = 97%', "E0404", "does not say what was quantized"),
        (f'model = "{MODEL}"; weights = fp8; quality = 97', "E0403", "`quality` is above 0 and at most 200%"),
        ('quality = lm_eval("native.json")', "E0402", "takes two paths in quotes"),
        ('quality = config("native.json")', "E0402", "is a share or `lm_eval`"),
        ('quality = lm_eval("native.json", "gone.json")', "E0206", "gone.json"),
        ('quality = lm_eval("native.json", "plan.mem")', "E0206", "is not JSON"),
        ('model = "Qwen/Qwen3-14B"; quality = lm_eval("native.json", "fp8.json")', "E0405", "the file measured"),
        ('weights = nvfp4; quality = lm_eval("native.json", "fp8.json")', "E0405", "has weights in fp8_e4m3"),
    ],
)
def test_what_cannot_be_read_is_refused_where_it_stands(block: str, code: str, message: str, tmp_path: Path) -> None:
    path = plan(tmp_path, f"measurement ours {{ {block} }}")
    findings = [item for item in load_plan(str(path)).findings if item.is_error]
    assert [item.code for item in findings] == [code]
    assert message in findings[0].message
    assert findings[0].span is not None and findings[0].span.line == 11


def test_a_lock_records_the_evaluation_and_a_file_that_changed_makes_it_stale(tmp_path: Path) -> None:
    path, runner = plan(tmp_path, FILES), CliRunner()
    assert runner.invoke(app, ["solve", str(path)]).exit_code == 0
    lock = path.with_suffix(".mem.lock").read_text()
    assert "task: gsm8k" in lock and "quality: 0.97" in lock and "fp8.json" in lock
    assert runner.invoke(app, ["check", str(path)]).exit_code == 0
    (tmp_path / "fp8.json").write_text(json.dumps(results({**FP8, "gsm8k": 0.5}, model_name=f"{MODEL}-FP8")))
    assert runner.invoke(app, ["check", str(path)]).exit_code == 1
