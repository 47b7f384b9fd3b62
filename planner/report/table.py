"""Answers for people: the choice, memory by part, cost, the next best, and what cheaper hardware breaks."""

from __future__ import annotations

from fractions import Fraction

from planner.language.problem import Value
from planner.solve.candidate import Answer, Broken, Candidate, Solved

GIB = 2**30
WIDTH = 40
LETTERS = {
    "weights": "W",
    "kv_cache": "K",
    "activations": "A",
    "logits": "L",
    "overhead": "O",
    "gradients": "G",
    "optimizer": "S",
    "master_weights": "M",
    "margin": "m",
}
BYTES = ("memory",)
TIMES = ("tpot", "ttft", "step_time", "duration")


def gib(size: int | Fraction) -> str:
    """Return a size in GiB with two decimals."""
    return f"{float(size) / GIB:.2f} GiB"


def money(micro: int) -> str:
    """Return micro-dollars per hour as dollars, to the last digit that counts."""
    text = f"{micro / 1e6:.4f}".rstrip("0")
    whole, _, cents = text.partition(".")
    return f"${whole}.{cents:<02}/h"


def show(rule: str, value: Value | None) -> str:
    """Return a rule's value in the unit people use for it."""
    quantity = rule.rsplit(".", 1)[-1]
    if value is None:
        return "nothing known"
    if not isinstance(value, Fraction):
        return str(value)
    if quantity in BYTES:
        return gib(value)
    if quantity in TIMES:
        return f"{float(value) * 1000:.1f} ms" if value < 10 else f"{float(value):.0f} s"
    if quantity == "cost":
        return money(round(value * 1_000_000))
    if quantity in ("quality", "headroom", "mfu"):
        return f"{float(value) * 100:.1f} %"
    return f"{float(value):.4g}"


def _bar(row: Candidate) -> str:
    scale = max(row.usable, row.total, 1)
    bar = "".join(LETTERS.get(name, "?") * round(WIDTH * size / scale) for name, size in row.parts.items() if size)
    return f"[{bar:.<{WIDTH}}]"


def _setup(row: Candidate) -> str:
    names = ("weights", "kv_cache", "method", "precision", "optimizer", "checkpointing")
    words = [f"{name} {row.choice[name]}" for name in names if name in row.choice]
    for name in ("tensor_parallel", "pipeline_parallel", "data_parallel", "replicas", "zero", "micro_batch"):
        value = row.choice.get(name)
        if isinstance(value, Fraction) and value > (0 if name == "zero" else 1):
            words.append(f"{name} {value}")
    return ", ".join(words)


def fault(item: Broken) -> str:
    """Return what a candidate breaks, in one phrase."""
    if item.rule.endswith(".memory"):
        return f"{item.rule}: needs {show(item.rule, item.needs)} of {show(item.rule, item.has)}"
    if item.needs is None and item.has is None:
        return f"{item.rule} does not hold"
    return f"{item.rule}: {show(item.rule, item.needs)} against {show(item.rule, item.has)}"


def _workload(item: Solved) -> list[str]:
    row = item.chosen
    out = [f"{row.workload} ({row.kind}): {row.gpus} x {row.gpu}, {money(row.cost)}, {row.instances} x {row.offer}"]
    out.append(f"  {_setup(row)}")
    headroom = row.outcomes.get("headroom")
    share = f"{float(headroom) * 100:.1f} %" if headroom is not None else "-"
    out.append(f"  memory  {_bar(row)} {gib(row.total)} of {gib(row.usable)} a GPU, headroom {share}")
    parts = [f"{LETTERS.get(name, '?')} {name} {gib(size)}" for name, size in row.parts.items() if size]
    out.append(f"          {', '.join(parts)}")
    if row.peak_moment:
        out.append(f"          the peak is at {row.peak_moment}")
    shown = (
        "quality",
        "tpot",
        "ttft",
        "throughput",
        "max_concurrency",
        "max_context",
        "step_time",
        "duration",
    )
    known = [f"{name} {show(name, row.outcomes[name])}" for name in shown if row.outcomes.get(name) is not None]
    if known:
        out.append(f"  gives   {', '.join(known)}")
    out += [f"  breaks  {fault(broken)}" for broken in row.broken]
    out += [f"  note    {note}" for note in row.notes]
    for other in item.alternatives[:3]:
        out.append(f"  next    {money(other.cost)}  {other.gpus} x {other.gpu}: {_setup(other)}")
    for other in reversed(item.rejected[-5:]):
        out.append(f"  cheaper {money(other.cost)}  {other.gpus} x {other.gpu}: {'; '.join(map(fault, other.broken))}")
    return out


def render(answer: Answer) -> str:
    """Return the answer as text."""
    if answer.outcome == "infeasible":
        out = ["Nothing fits. These rules cannot be kept together:"]
        for item in answer.conflict:
            relax = f"; {show(item.rule, item.relax_to)} would do" if item.relax_to is not None else ""
            out.append(f"  {item.rule} (now {show(item.rule, item.has)}){relax}")
        return "\n".join(out)
    out = [line for item in answer.workloads for line in _workload(item)]
    for part in answer.objective:
        proof = "proven" if part.value == part.bound else f"bound {show(part.quantity, part.bound)}"
        out.append(f"{part.direction} {part.quantity}: {show(part.quantity, part.value)} ({proof})")
    out.append(f"{answer.outcome}, {answer.considered} candidates considered")
    return "\n".join(out)


def explain(rows: list[Candidate]) -> str:
    """Return one line a GPU: its cheapest choice that keeps every rule, or the one that breaks the fewest."""
    nearest: dict[str, Candidate] = {}
    for row in sorted(rows, key=lambda row: (len(row.broken), row.cost if not row.broken else row.total, row.name)):
        nearest.setdefault(row.gpu, row)
    lines = []
    for row in sorted(nearest.values(), key=lambda row: (bool(row.broken), row.cost, row.gpu)):
        verdict = "; ".join(map(fault, row.broken)) or f"fits, {gib(row.total)} of {gib(row.usable)}"
        lines.append(f"  {row.gpus:>3} x {row.gpu:<22} {money(row.cost):>12}  {_setup(row)}: {verdict}")
    return "\n".join(lines)
