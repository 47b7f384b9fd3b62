"""Whether an answer is the best of all combinations: outcome, values, costs, and every tie-break.

Names come last (SPEC §7): the decisions of a choice in alphabetical order, numbers by their size. Of them it is asked
that no workload has another choice, earlier by its name, with which all else is equal.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from .asking import solve
from .physics import GRAIN
from .plans import Plan
from .search import best
from .truth import UNKNOWN, Row, Truth, block_of, rent

ROUNDED = Fraction(2, 10**6)
"""By so much a share or the price of a run may be rounded: a micro-dollar, and the microsecond of the duration."""


def answer_of(plan: Plan) -> Any:
    """Return what the program answers."""
    return solve(str(plan))


def taken(truth: Truth, answer: Any) -> list[Row] | str:
    """Return the rows that an answer takes, or what it takes that is none."""
    out = []
    chosen = spread(truth, answer)
    if sorted(chosen) != truth.names:
        return f"answers for {', '.join(chosen)}"
    for name, rows in zip(truth.names, truth.rows, strict=True):
        mine = chosen[name]
        said = {key: _said(value) for key, value in mine.choice.items()}
        for row in rows:
            if row.pool == (mine.offer, said["market"]) and all(said[key] == value for key, value in row.choice):
                out.append(row)
                break
        else:
            return f"{name} takes what breaks a rule or does not fit: {mine.name}"
    return out


def spread(truth: Truth, answer: Any) -> dict[str, Any]:
    """Return what is chosen by workload: of a block with copies, as many times as it says."""
    out: dict[str, Any] = {}
    for item in sorted((item.chosen for item in answer.workloads), key=lambda row: place_of(row.workload)):
        own = [name for name in truth.names if block_of(name) == block_of(item.workload) and name not in out]
        for name in sorted(own, key=place_of)[: item.copies]:
            out[name] = item
        assert len(own) >= item.copies
    return out


def place_of(name: str) -> tuple[str, int]:
    """Return a workload's block and its number."""
    block, mark, number = name.partition("#")
    return block, int(number) if mark else 1


def _said(value: object) -> str:
    return str(int(value)) if isinstance(value, Fraction) else str(value)


def faults(plan: Plan, truth: Truth | None = None, answer: Any = None) -> list[str]:
    """Return what is wrong with the program's answer to a plan."""
    truth = truth or Truth(plan)
    found = best(truth)
    answer = answer or answer_of(plan)
    if answer.outcome == "infeasible":
        return [] if found.key is None else [f"infeasible, but there is {told(truth, found.rows)}"]
    if answer.outcome != "optimal":
        return [f"outcome {answer.outcome} {answer.refusal}"]
    rows = taken(truth, answer)
    if isinstance(rows, str):
        return [rows]
    out = [f"breaks {name}" for name in truth.broken(rows)]
    if found.key is None:
        return [*out, "an answer, but nothing keeps every rule"]
    out += _values(truth, answer, rows)
    key = truth.key(rows)
    out += _certificate(truth, answer.certificate, Fraction(found.key[0], GRAIN))
    names = [*(f"{d} {q}" for q, d in truth.goals), *truth.last, "rented GPUs", "quality"]
    names += [f"{name}'s time" for name in truth.names] + ["used GPUs", "headroom"]
    for name, mine, right in zip(names, key, found.key, strict=True):
        if abs(mine - right) > slack(name) * len(rows):
            verb = "too dear" if mine > right else "below what is possible"
            out.append(f"{name}: {mine / GRAIN:.9g} is {verb}, {right / GRAIN:.9g} is right: {told(truth, found.rows)}")
            break
        if mine != right:
            break  # rounded: what follows may differ
    else:
        out += _named(truth, rows, key)
    return out


def _named(truth: Truth, rows: list[Row], key: tuple[int, ...]) -> list[str]:
    """Return the workloads that could take what is earlier by its name, with all else equal."""
    out = []
    for place, mine in enumerate(rows):
        earlier = [row for row in truth.rows[place] if _formats(row) == _formats(mine) and _name(row) < _name(mine)]
        for row in earlier:
            other = [*rows[:place], row, *rows[place + 1 :]]
            if truth.key(other) == key and not truth.broken(other):
                out.append(f"names: {told(truth, (row,))} is earlier than {told(truth, (mine,))}")
                break
    return out


def _formats(row: Row) -> list[tuple[str, str]]:
    """Return the formats of a row: what computes in them, which a name has too, follows from them."""
    return [(name, value) for name, value in row.choice if name in ("weights", "kv_cache", "precision")]


def _name(row: Row) -> list[tuple[str, int, str]]:
    """Return what rows are ordered by where all else is equal."""
    named = {**dict(row.choice), "gpu": row.offer.gpu, "market": row.market, "offer": row.offer.name}
    return [(name, int(text) if text.isdigit() else 0, text) for name, text in sorted(named.items())]


def _certificate(truth: Truth, proof: Any, least: Fraction) -> list[str]:
    """Return what the proof of an answer says that is not so; `least` is what the first goal has at least."""
    if proof is None:
        return ["optimal without a certificate"]
    out = []
    if (proof.method == "comparison" or truth.goals[0] != ("cost", "minimize")) and proof.bound is not None:
        out.append(f"a bound by {proof.method} of {truth.goals[0]}")
    elif proof.bound is not None and Fraction(proof.bound, 10**6) > least:
        out.append(f"no answer is said to cost less than {proof.bound / 10**6}, and one costs {float(least)}")
    if proof.method == "prices" and (proof.bound is None or Fraction(proof.bound, 10**6) != least):
        out.append(f"prices are said to prove {float(least)} by a bound of {proof.bound}")
    return out


def slack(name: str) -> int:
    """Return by how much a part of the key may differ: prices of runs are rounded."""
    return int(ROUNDED * GRAIN) if "total_cost" in name else 0


def _values(truth: Truth, answer: Any, rows: list[Row]) -> list[str]:
    """Return what an answer says of its own choice that is not so."""
    out = []
    rented = rent(rows)
    chosen = spread(truth, answer)
    if answer.cost * GRAIN != rented.cost * 10**6:
        out.append(f"cost {answer.cost / 1e6} is said, {rented.cost / GRAIN} is rented")
    for name, share, row in zip(truth.names, rented.shares, rows, strict=True):
        mine = chosen[name]
        if abs(Fraction(mine.cost, 10**6) - mine.copies * share / GRAIN) > ROUNDED * mine.copies:
            out.append(f"{name}.cost {mine.cost / 1e6} is said, {float(share / GRAIN)} is its share")
        duration, total = row.values.get("duration"), mine.outcomes.get("total_cost")
        if (
            total is not None
            and duration is not None
            and abs(total - share / GRAIN * duration / 3600) > ROUNDED * (1 + duration)
        ):
            out.append(f"{name}.total_cost {float(total)} is said, {float(share / GRAIN * duration / 3600)} is right")
    key = truth.key(rows, rented)
    for place, (part, (quantity, direction)) in enumerate(zip(answer.objective, truth.goals, strict=True)):
        if part.quantity not in (quantity, quantity.rpartition(".")[2]) or part.direction != direction:
            out.append(f"objective {part.direction} {part.quantity} for {direction} {quantity}")
            continue
        penalty = truth.penalty(rows, rented) if (quantity, direction) == ("cost", "minimize") else 0
        sign = -1 if direction == "maximize" else 1
        if key[place] >= UNKNOWN // 2:
            out += [] if part.value is None else [f"objective {quantity}: {part.value} is said of what nobody knows"]
            continue
        right = Fraction(sign * (key[place] - penalty), GRAIN)
        near = ROUNDED * len(rows) if "cost" in quantity else 0
        if part.value is None or abs(part.value - right) > near or part.bound != part.value:
            out.append(f"objective {quantity}: {part.value} (bound {part.bound}) is said, {right} is right")
        if Fraction(penalty, GRAIN) != part.penalty:
            out.append(f"penalty {part.penalty} is said, {penalty / GRAIN} is right")
    return out


def told(truth: Truth, rows: tuple[Row, ...]) -> str:
    """Return a combination as text."""
    rented = rent(rows)
    parts = [f"{row.job.name}: {row.instances} x {row.offer.name} {row.market} {dict(row.choice)}" for row in rows]
    return f"${rented.cost / GRAIN:.6g}/h, {'; '.join(parts)}"
