"""Evaluations as lm-evaluation-harness writes them (`lm_eval … --output_path`, results_*.json): what quantizing kept.

A file has `results` by task, each a value and a standard error for each metric and filter (`acc,none`,
`acc_stderr,none`), `n-shot`, `versions`, `n-samples`, and `higher_is_better` (lm_eval/evaluator.py,
lm_eval/loggers/evaluation_tracker.py, 0.4). Of a group (`group_subtasks`) the group counts, not its parts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import sqrt
from typing import Any, NamedTuple

MOST = 10_000
"""Tasks that are read of one file."""
BEST = 100
"""No score that is better the higher it is exceeds it: shares, or percentages."""
ERRORS = 2
"""Standard errors of a difference within which it may be chance."""
SAME = {"n-shot": "shots", "versions": "version", "n-samples": "samples"}
"""What two evaluations must have alike in each task, by its place in a file, in words."""


class Score(NamedTuple):
    """A score of a task and its standard error, 0 where the file has none."""

    value: float
    error: float


class KeptQuality(NamedTuple):
    """What a quantized model kept of the native one's scores, the least of all tasks.

    `task` and `metric` decided, `tasks` were compared; `chance` is whether the two scores differ by no more than two
    standard errors. `native` and `quantized` are the models' names, "" where the files have none.
    """

    quality: Fraction
    task: str
    metric: str
    tasks: int
    chance: bool
    native: str
    quantized: str


class Evaluation(NamedTuple):
    """One file: scores by task and metric, what else was set, the model's name."""

    scores: dict[str, dict[str, Score]]
    settings: dict[str, dict[str, str]]
    model: str


def read(text: str) -> Evaluation:
    """Return one evaluation; raise ValueError where the text is none, or has no score that can be compared."""
    try:
        whole = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError:
        raise ValueError("it is not JSON") from None
    results = whole.get("results") if isinstance(whole, dict) else None
    if not isinstance(results, dict) or not results:
        raise ValueError("it is not a results_*.json of lm-evaluation-harness: it has no `results`")
    if len(results) > MOST:
        raise ValueError(f"it has more than {MOST} tasks")
    parts = _parts(whole)
    scores = {
        str(task): by_metric
        for task, row in results.items()
        if task not in parts and isinstance(row, dict) and (by_metric := dict(_scores(row, whole, str(task))))
    }
    if not scores:
        raise ValueError("none of its tasks has a score that is better the higher it is")
    settings = {name: _said(whole, place) for place, name in SAME.items()}
    config = whole.get("config")
    arguments = config.get("model_args") if isinstance(config, dict) else None
    named = whole.get("model_name") or _pretrained(arguments)
    return Evaluation(scores, settings, named if isinstance(named, str) else "")


def _parts(whole: Mapping[str, Any]) -> set[str]:
    """Return the tasks that are part of a group."""
    groups = whole.get("group_subtasks")
    lists = groups.values() if isinstance(groups, dict) else ()
    return {name for one in lists if isinstance(one, list) for name in one if isinstance(name, str)}


def _said(whole: Mapping[str, Any], place: str) -> dict[str, str]:
    rows = whole.get(place)
    return (
        {str(task): json.dumps(value, sort_keys=True) for task, value in rows.items()} if isinstance(rows, dict) else {}
    )


def _pretrained(arguments: Any) -> str:
    if isinstance(arguments, dict):
        return str(arguments.get("pretrained") or "")
    fields = str(arguments or "").split(",")
    return next((text.removeprefix("pretrained=") for text in fields if text.startswith("pretrained=")), "")


def _scores(row: Mapping[str, Any], whole: Mapping[str, Any], task: str) -> Iterator[tuple[str, Score]]:
    """Yield the scores of a task that are better the higher they are, by metric and filter."""
    better = whole.get("higher_is_better")
    known = better.get(task) if isinstance(better, dict) else None
    for key, value in row.items():
        metric, _, rest = key.partition(",")
        if metric.endswith("_stderr") or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if not _higher(metric, known) or not 0 <= value <= BEST:
            continue
        error: Any = row.get(f"{metric}_stderr,{rest}" if rest else f"{metric}_stderr")
        sure = isinstance(error, int | float) and not isinstance(error, bool) and 0 <= error <= BEST
        yield key, Score(float(value), float(error) if sure else 0.0)


LOWER = ("perplexity", "bits_per_byte", "loss", "brier", "wer", "mse", "ter")
"""Parts of the names of metrics that are better the lower they are, where a file does not say which are."""
COUNTS = ("sample_len", "samples", "n_shot")
"""Numbers of a task that are no metric."""


def _higher(metric: str, stated: Any) -> bool:
    if isinstance(stated, dict) and metric in stated:
        return stated[metric] is True
    return metric not in COUNTS and not any(word in metric for word in LOWER)


def kept(native: Evaluation, quantized: Evaluation) -> KeptQuality:
    """Return what the second kept of the first, of the task and metric that kept least.

    Raise ValueError, which names it, where a task, metric or setting of one is not that of the other, or where the
    native model scored nothing.
    """
    for one, other, which in ((native, quantized, "quantized"), (quantized, native, "native")):
        for task, metrics in one.scores.items():
            if task not in other.scores:
                raise ValueError(f"the {which} run has no task `{task}`")
            lacking = next((metric for metric in metrics if metric not in other.scores[task]), None)
            if lacking is not None:
                raise ValueError(f"the {which} run has no `{lacking}` of `{task}`")
    for name, rows in native.settings.items():
        for task in native.scores:
            here, there = rows.get(task), quantized.settings[name].get(task)
            if here != there:
                raise ValueError(f"`{task}` has {name} {here or 'unsaid'} natively and {there or 'unsaid'} quantized")
    rows_ = [(task, metric) for task, metrics in native.scores.items() for metric in metrics]
    for task, metric in rows_:
        if native.scores[task][metric].value == 0:
            raise ValueError(f"the native run scored 0 in `{metric}` of `{task}`: nothing can be kept of it")
    task, metric = min(rows_, key=lambda row: (_share(native, quantized, *row), row))
    first, second = native.scores[task][metric], quantized.scores[task][metric]
    spread = ERRORS * sqrt(first.error**2 + second.error**2)
    return KeptQuality(
        _share(native, quantized, task, metric),
        task,
        metric.removesuffix(",none"),
        len(native.scores),
        abs(first.value - second.value) <= spread,
        native.model,
        quantized.model,
    )


def _share(native: Evaluation, quantized: Evaluation, task: str, metric: str) -> Fraction:
    return Fraction(str(quantized.scores[task][metric].value)) / Fraction(str(native.scores[task][metric].value))
