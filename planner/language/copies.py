"""Workloads of one block: `copies = 500` are so many identical workloads, which an answer may choose for differently.

A workload of a problem stands for `copies` of its block that are chosen for alike. A block has one such workload until
its copies are chosen for, and a workload for each choice after that: `chat`, then `chat#2`. Where a rule relates copies
to each other or to another workload (`sum(w.gpus for w in workloads) <= 16`), every copy is a workload from the start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import TypeVar

from planner.language.expressions.evaluate import names
from planner.language.problem import Preference, Problem, Rule, Workload
from planner.syntax import tree

MARK = "#"
"""Stands between the name of a block and the number of its workload; no name of a plan has it."""
MOST_APART = 500
"""The most workloads that a plan may be written out to where a rule relates copies to each other."""
Stated = TypeVar("Stated", Rule, Preference)


def block_of(workload: str) -> str:
    """Return the name of the block that a workload is of."""
    return workload.partition(MARK)[0]


def numbered(block: str, number: int) -> str:
    """Return the name of a block's workload, counted from 1: the first has the name of the block."""
    return block if number == 1 else f"{block}{MARK}{number}"


def each_of(block: str, copies: int) -> list[str]:
    """Return the names under which a comprehension reads each workload of a block: of several, `chat#1` is the first.

    So a condition that names the block itself is told from one that goes over its copies.
    """
    return [block] if copies == 1 else [f"{block}{MARK}{number}" for number in range(1, copies + 1)]


def is_related(condition: tree.Expression, copies: Mapping[str, int]) -> bool:
    """Return whether a condition relates copies of a block to each other or to another workload."""
    owners = {owner for owner, _ in names(condition)}
    return any(MARK in owner for owner in owners) or (
        len(owners) > 1 and any(copies.get(owner, 1) > 1 for owner in owners)
    )


def written_out(problem: Problem) -> Problem:
    """Return a problem where each copy is a workload of its own."""
    return regrouped(problem, {item.name: [1] * item.copies for item in problem.workloads if item.copies > 1})


def regrouped(problem: Problem, sizes: Mapping[str, Sequence[int]]) -> Problem:
    """Return a problem whose blocks have a workload for each of their `sizes`, so many copies each.

    A rule or preference that names such a block is there once for each of its workloads; one that a comprehension made
    names every copy itself.
    """
    if not sizes:
        return problem
    workloads: list[Workload] = []
    for item in problem.workloads:
        for number, size in enumerate(sizes.get(item.name, (item.copies,)), 1):
            workloads.append(replace(item, name=numbered(item.name, number), copies=size))
    members = {block: [numbered(block, number) for number in range(1, len(of) + 1)] for block, of in sizes.items()}
    return replace(
        problem,
        workloads=tuple(sorted(workloads, key=lambda item: item.name)),
        rules=tuple(each for rule in problem.rules for each in _each(rule, members)),
        preferences=tuple(each for wish in problem.preferences for each in _each(wish, members)),
    )


def _each(item: Stated, members: Mapping[str, Sequence[str]]) -> list[Stated]:
    """Return a rule for each workload of the blocks that it names."""
    first = {owner: block_of(owner) for owner, _ in names(item.condition) if owner.endswith(f"{MARK}1")}
    return [replace(item, condition=renamed(rule, first)) for rule in each(item.condition, members)]


def each(condition: tree.Expression, members: Mapping[str, Sequence[str]]) -> list[tree.Expression]:
    """Return a condition for each of the `members` of the blocks that it names."""
    every = sorted({owner for owner, _ in names(condition) if owner in members})
    return [
        renamed(condition, dict(zip(every, chosen, strict=True)))
        for chosen in product(*(members[owner] for owner in every))
    ]


def renamed(node: tree.Expression, workloads: Mapping[str, str]) -> tree.Expression:
    """Return a lowered expression about workloads of other names."""
    if not workloads or workloads.keys().isdisjoint(owner for owner, _ in names(node)):
        return node
    return _renamed(node, workloads)


def _renamed(node: tree.Expression, workloads: Mapping[str, str]) -> tree.Expression:
    def other(part: tree.Expression) -> tree.Expression:
        return _renamed(part, workloads)

    match node:
        case tree.Name():
            owner = workloads.get(node.parts[0])
            return node if owner is None else replace(node, parts=(owner, *node.parts[1:]))
        case tree.Unary():
            return replace(node, operand=other(node.operand))
        case tree.Binary():
            return replace(node, left=other(node.left), right=other(node.right))
        case tree.Conditional():
            return replace(
                node, condition=other(node.condition), then=other(node.then), otherwise=other(node.otherwise)
            )
        case tree.Call():
            return replace(node, arguments=tuple(map(other, node.arguments)))
        case tree.SetOf():
            return replace(node, items=tuple(map(other, node.items)))
        case tree.Range():
            step = None if node.step is None else other(node.step)
            return replace(node, low=other(node.low), high=other(node.high), step=step)
    return node
