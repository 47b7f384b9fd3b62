"""A small autograd: records what each operation keeps for backward, then runs backward and weighs what lives.

It follows PyTorch's engine (torch/csrc/autograd/engine.cpp, derivatives.yaml, torch 2.13): a node runs when all
gradients of its outputs are there, in reverse order of creation; what it kept is released when it has run; gradients of
one tensor that come from several users are added into a new tensor. Nothing is computed, only bytes are counted.
All sizes are bytes of one sequence, which a micro-batch multiplies; sizes of weights are apart, as they do not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple


class Bytes(NamedTuple):
    """Live bytes: gradients and casts of weights (fixed), activations and logits (of each sequence)."""

    gradients: int
    casts: int
    each: int
    logits: int


class Tensor(NamedTuple):
    """`width` elements of `item` bytes for every token, or once where it is `fixed` (made from a weight); `storage` is
    shared by views, `key` names it in the graph."""

    width: int
    item: int
    storage: int
    key: int
    grad: bool
    vocab: bool = False
    fixed: bool = False


class Weight(NamedTuple):
    """A weight of `size` elements of `item` bytes, and whether it is trained."""

    size: int
    item: int
    trained: bool


@dataclass(slots=True)
class _Node:
    outputs: tuple[int, ...]
    makes: tuple[tuple[Tensor, bool], ...]  # an input, and whether its gradient is new or the output's own
    saved: tuple[int, ...]
    scratch: int
    weights: tuple[tuple[int, int], ...]  # bytes of the gradient, bytes of a gradient in a narrower type before it
    scratch_vocab: bool = False
    inside: tuple[tuple[int, int], ...] = ()  # moments inside its backward: fixed bytes and bytes of each sequence


def dominant(events: list[Bytes]) -> tuple[Bytes, ...]:
    """The events that no other one exceeds in every part: only they can be the peak."""
    kept: list[Bytes] = []
    for event in sorted(set(events), reverse=True):  # those before have gradients as large
        _, casts, each, logits = event
        for _, other_casts, other_each, other_logits in kept:
            if other_casts >= casts and other_each >= each and other_logits >= logits:
                break
        else:
            kept.append(event)
    return tuple(kept)


@dataclass(slots=True)
class Tape:
    """The record of one region of the forward pass, on sequences of `tokens`."""

    tokens: int
    autocast: bool = False
    nodes: list[_Node] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)  # bytes and part: 0 each, 1 logits, 2 casts
    saved: dict[int, int] = field(default_factory=dict)
    keys: int = 0
    outside: set[int] = field(default_factory=set)
    trained: int = 0  # tensors of trained weights
    cached: int = 0  # bytes of the 16-bit copies of weights that autocast keeps from one forward pass to the next
    outputs: list[tuple[str, int]] = field(default_factory=list)  # of products and attention, with their bytes
    moved: int = 0  # bytes that forward reads and writes of matrices it makes anew, whatever the tokens
    forward: list[Bytes] = field(default_factory=list)  # moments of forward that hold more than what it keeps
    again: list[tuple[int, int, frozenset[int]]] = field(default_factory=list)  # nodes from, to, what they redo

    def _storage(self, size: int, part: int) -> int:
        self.sizes.append((size, part))
        return len(self.sizes) - 1

    def tensor(self, width: int, item: int, grad: bool, vocab: bool = False, fixed: bool = False) -> Tensor:
        """A new tensor with a storage of its own."""
        self.keys += 1
        storage = self._storage(*self._size(width, item, vocab, fixed))
        return Tensor(width, item, storage, self.keys, grad, vocab, fixed)

    def _size(self, width: int, item: int, vocab: bool, fixed: bool) -> tuple[int, int]:
        """Bytes and part of a tensor."""
        return (width * item, 2) if fixed else (width * item * self.tokens, 1 if vocab else 0)

    def given(self, width: int, item: int, grad: bool) -> Tensor:
        """A tensor that comes from outside the region and is weighed there."""
        tensor = self.tensor(width, item, grad)
        self.outside.add(tensor.storage)
        return tensor

    def cast_weight(self, count: int, item: int) -> int:
        """The storage of a copy of a weight in another type."""
        return self._storage(count * item, 2)

    def alias(self, of: Tensor, width: int) -> Tensor:
        """A narrower view of a tensor: its own place in the graph, the same storage."""
        self.keys += 1
        return of._replace(width=width, key=self.keys)

    def record(
        self,
        outputs: tuple[Tensor, ...],
        inputs: tuple[tuple[Tensor, bool], ...],
        saved: tuple[int, ...] = (),
        scratch: int = 0,
        weights: tuple[tuple[int, int], ...] = (),
        inside: tuple[tuple[int, int], ...] = (),
    ) -> None:
        """Record an operation: `inputs` are those that need a gradient, new (true) or passed on (false); `inside` are
        moments of its backward before it hands gradients out: fixed bytes, and bytes of a token."""
        makes = tuple((tensor, new) for tensor, new in inputs if tensor.grad)
        if not makes and not weights:
            return
        vocab = any(output.vocab for output in outputs)
        moments = tuple((fixed, each * self.tokens) for fixed, each in inside)
        keys = tuple(output.key for output in outputs)
        self.nodes.append(_Node(keys, makes, saved, scratch * self.tokens, weights, vocab, moments))
        for storage in saved:
            self.saved[storage] = self.saved.get(storage, 0) + 1

    def recompute(self, start: int, first_storage: int, result: Tensor) -> None:
        """Checkpoint the nodes from `start` on: what they keep of their own, but their result, is recomputed."""
        inner = {
            storage
            for node in self.nodes[start:]
            for storage in node.saved
            if storage >= first_storage and storage != result.storage
        }
        if inner:
            self.again.append((start, len(self.nodes), frozenset(inner)))

    def _recomputed(self) -> set[int]:
        return {storage for _, _, inner in self.again for storage in inner}

    def activations_kept(self) -> Bytes:
        """What forward leaves for backward, without what comes from outside."""
        absent = self._recomputed() | self.outside
        return self._sum(storage for storage in self.saved if storage not in absent)

    def passing(self, fixed: int, each: int) -> None:
        """Note that forward holds so much, fixed and for a token, beyond what it has kept up to here."""
        kept = self.activations_kept()
        self.forward.append(kept._replace(casts=kept.casts + fixed, each=kept.each + each * self.tokens))

    def gradients(self) -> int:
        """Bytes of the gradients of all trained weights of the region, in their weights' type."""
        return sum(self.weights())

    def weights(self) -> tuple[int, ...]:
        """The same of each weight; one with a bias counts as one."""
        return tuple(size for node in self.nodes for size, _ in node.weights)

    def _sum(self, storages: Iterable[int]) -> Bytes:
        parts = [0, 0, 0]
        for storage in storages:
            size, part = self.sizes[storage]
            parts[part] += size
        return Bytes(0, parts[2], parts[0], parts[1])

    def backward(self, output: Tensor) -> tuple[Bytes, ...]:
        """The heaviest moments while the region runs backward, its own gradients included."""
        users = dict(self.saved.items())
        parts = [0, 0, 0]
        grads = 0
        absent = self._recomputed()
        for storage in users:
            if storage not in self.outside and storage not in absent:
                size, part = self.sizes[storage]
                parts[part] += size
        events: list[Bytes] = []
        pending: dict[int, int] = {}

        def allocate(size: int, part: int) -> int:
            storage = self._storage(size, part)
            users[storage] = 1
            parts[part] += size
            return storage

        def release(storage: int) -> None:
            users[storage] -= 1
            if not users[storage] and storage not in self.outside:
                size, part = self.sizes[storage]
                parts[part] -= size

        def event(more: int = 0, vocab: bool = False) -> None:
            events.append(Bytes(grads, parts[2], parts[0] + (0 if vocab else more), parts[1] + (more if vocab else 0)))

        pending[output.key] = allocate(*self._size(output.width, output.item, output.vocab, output.fixed))
        event()
        resumed = {end - 1: inner for _, end, inner in self.again}
        for index in range(len(self.nodes) - 1, -1, -1):
            node = self.nodes[index]
            for storage in resumed.get(index, ()):
                size, part = self.sizes[storage]
                parts[part] += size
            arrived = [pending.pop(key) for key in node.outputs if key in pending]
            if not arrived:
                for storage in node.saved:
                    release(storage)
                continue
            for fixed, each in node.inside:
                events.append(Bytes(grads, parts[2] + fixed, parts[0] + each, parts[1]))
            gradients: list[tuple[Tensor, int]] = []
            for tensor, new in node.makes:
                if new:
                    storage = allocate(*self._size(tensor.width, tensor.item, tensor.vocab, tensor.fixed))
                else:
                    storage = arrived[0]
                    users[storage] += 1
                gradients.append((tensor, storage))
            narrow = 0
            for size, before in node.weights:
                if before:
                    parts[2] += before
                    narrow += before
                else:
                    grads += size
            event(node.scratch, node.scratch_vocab)
            for storage in node.saved:
                release(storage)
            for storage in arrived:
                release(storage)
            for tensor, storage in gradients:
                if tensor.key in pending:
                    older = pending[tensor.key]
                    size, part = self.sizes[storage]
                    pending[tensor.key] = allocate(*self._size(tensor.width, tensor.item, part == 1, tensor.fixed))
                    event()
                    release(older)
                    release(storage)
                else:
                    pending[tensor.key] = storage
            if narrow:
                grads += sum(size for size, before in node.weights if before)
                event()
                parts[2] -= narrow
        return dominant(events)
