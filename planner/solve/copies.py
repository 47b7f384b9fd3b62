"""Copies of a block in an answer: each choice that some of them take is a workload of its own, `chat` and `chat#2`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from planner.language.copies import MARK, block_of, numbered, regrouped
from planner.language.problem import Problem
from planner.solve.answer import Answer, Solved
from planner.solve.candidate import Candidate, aimed

PACES = {"inference": "tpot", "training": "step_time"}
"""The time of a workload's step."""


def is_copied(row: Candidate) -> bool:
    """Return whether a candidate is of a block that has several copies."""
    return row.copies > 1 or MARK in row.workload


def place_of(workload: str) -> tuple[str, int]:
    """Return a workload's block and its number there, by which the workloads of a block are in order."""
    block, mark, number = workload.partition(MARK)
    return block, int(number) if mark and number.isdecimal() else 1


def ordered(workloads: Iterable[str]) -> list[str]:
    """Return names by block, those of a block by their number."""
    return sorted(workloads, key=place_of)


def placed(problem: Problem, copies: Mapping[str, int]) -> tuple[Problem, dict[str, str]]:
    """Return a problem whose workloads are those of an answer, and for each the answer's workload that it takes.

    `copies` are how many of its block each workload of the answer stands for. Raise ValueError where they are not as
    many as the plan says.
    """
    groups: dict[str, list[str]] = {}
    for name in ordered(copies):
        groups.setdefault(block_of(name), []).append(name)
    sizes: dict[str, list[int]] = {}
    of: dict[str, str] = {}
    blocks: dict[str, list[str]] = {}
    for item in problem.workloads:
        blocks.setdefault(block_of(item.name), []).append(item.name)
    known = {item.name: item.copies for item in problem.workloads}
    if groups.keys() != blocks.keys():
        raise ValueError("the blocks of an answer are not those of its plan")
    for block, names in blocks.items():
        own = groups[block]
        if sum(known[name] for name in names) != sum(copies[name] for name in own):
            raise ValueError(f"the copies of `{block}` are not as many as the plan says")
        if known[names[0]] > 1:
            sizes[block] = [copies[name] for name in own]
            of |= {numbered(block, place): name for place, name in enumerate(own, 1)}
        else:
            taken = [name for name in own for _ in range(copies[name])]
            of |= dict(zip(ordered(names), taken, strict=True))
    return regrouped(problem, sizes), of


def folded(rows: Mapping[str, Candidate]) -> tuple[dict[str, Candidate], dict[str, str]]:
    """Return candidates of one block that are the same as one, by names counted anew: the fastest first, then by their
    choices' names; and the new name of each."""
    kept: dict[tuple[str, str], list[str]] = {}
    for name in ordered(rows):
        kept.setdefault((block_of(name), rows[name].name), []).append(name)
    counts: dict[str, int] = {}
    out: dict[str, Candidate] = {}
    of: dict[str, str] = {}
    for (block, _), names in sorted(kept.items(), key=lambda item: (item[0][0], _order(rows[item[1][0]]))):
        counts[block] = counts.get(block, 0) + 1
        new = numbered(block, counts[block])
        of |= dict.fromkeys(names, new)
        out[new] = _joined([rows[name] for name in names], new)
    return out, of


def _order(row: Candidate) -> tuple[bool, Fraction, str]:
    pace = row.outcome(aimed(PACES[row.kind]))
    return not isinstance(pace, Fraction), pace if isinstance(pace, Fraction) else Fraction(0), row.name


def _joined(rows: Sequence[Candidate], name: str) -> Candidate:
    first = rows[0]
    if len(rows) == 1 and first.workload == name:
        return first
    return replace(
        first,
        workload=name,
        copies=sum(row.copies for row in rows),
        cost=sum(row.cost for row in rows),
        penalty=sum(row.penalty for row in rows),
    )


def solved_together(solved: Sequence[Solved]) -> tuple[Solved, ...]:
    """Return what is answered, workloads of one block that run alike as one."""
    by_name = {item.chosen.workload: item for item in solved}
    rows, of = folded({name: item.chosen for name, item in by_name.items()})
    first = {new: name for name, new in reversed(of.items())}
    return tuple(
        Solved(
            _of_block(row),
            tuple(map(_of_block, by_name[first[name]].alternatives)),
            tuple(map(_of_block, by_name[first[name]].rejected)),
            by_name[first[name]].slack,
        )
        for name, row in rows.items()
    )


def _of_block(row: Candidate) -> Candidate:
    """Return a candidate whose broken rules are those of its block."""
    if not any(MARK in item.rule for item in row.broken):
        return row
    return replace(row, broken=tuple(replace(item, rule=rule_of(item.rule)) for item in row.broken))


def answered(answer: Answer) -> Answer:
    """Return an answer whose workloads are blocks, and the several choices of one; its rules are those of blocks."""
    if not any(MARK in item.chosen.workload for item in answer.workloads) and not any(
        MARK in item.rule for item in answer.conflict
    ):
        return answer
    wishes: dict[str, bool] = {}
    for name, kept in answer.wishes:
        wishes[name] = wishes.get(name, True) and kept
    conflict = {(rule_of(item.rule), block_of(item.of)): item for item in reversed(answer.conflict)}
    return replace(
        answer,
        workloads=solved_together(answer.workloads),
        wishes=tuple(wishes.items()),
        conflict=tuple(
            replace(item, rule=rule, of=of, also=_blocks(item.also, rule))
            for (rule, of), item in sorted(conflict.items(), key=lambda pair: pair[0])
        )
        if any(MARK in item.rule or MARK in item.of for item in answer.conflict)
        else answer.conflict,
        filtered=tuple(item for item in answer.filtered if MARK not in item.workload),
        searched={name: counts for name, counts in answer.searched.items() if MARK not in name},
        left_out={name: counts for name, counts in answer.left_out.items() if MARK not in name},
        hardware=tuple(item for item in answer.hardware if MARK not in item.workload),
        by_value=tuple(item for item in answer.by_value if MARK not in item.workload),
        pareto=tuple(tuple(folded({row.workload: row for row in point})[0].values()) for point in answer.pareto),
    )


def _blocks(workloads: Iterable[str], rule: str) -> tuple[str, ...]:
    """Return the blocks of some workloads, but for that of a rule."""
    return tuple(name for name in dict.fromkeys(map(block_of, workloads)) if name != rule.partition(".")[0])


def rule_of(rule: str) -> str:
    """Return the name of a rule of a workload as that of its block."""
    owner, dot, quantity = rule.partition(".")
    return f"{block_of(owner)}{dot}{quantity}" if dot else rule
