"""What an engine's cache holds: its bytes as expected and at least, and the tokens and sequences they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from planner.catalog.architecture import Recurrent
from planner.catalog.records import Gpu
from planner.language.quantities.outcomes import HELD
from planner.physics import inference
from planner.physics.inference import Profile
from planner.solve.columns.steps import UNKNOWN, Ints
from planner.solve.inference.memory import (
    fixed_bytes,
    margin_bytes,
    outside,
    overhead_bytes,
    parts,
    peak_bytes,
    resident,
    sequences,
    served,
    weights_bytes,
)
from planner.solve.inference.support import sequence_limit
from planner.solve.inference.workload import InferenceWorkload, NumberFormats, profile_of
from planner.solve.parallelism import Split


def counts_pages(service: InferenceWorkload, profile: Profile) -> bool:
    """Return whether an engine holds its number of sequences against the pages of recurrent states."""
    arch = service.model.architecture
    if arch is None or not (profile.state_blocks and profile.full_graphs):
        return False
    return any(isinstance(group.mixer, Recurrent) for group in arch.groups)


def state_pages(
    service: InferenceWorkload, form: NumberFormats, split: Split, gpu: Gpu, budgets: tuple[int, int]
) -> int | None:
    """Return how many sequences an engine admits whose states share the cache's pages; None where it does not ask.

    vLLM since 0.20: no more than the pool has pages, where it captures full CUDA graphs. Of the cache's `budgets`,
    expected and at least, it is the smaller number at the workload's confidence: the pages of the second, and those
    of the first less the share by which reports had fewer.
    """
    profile, arch = profile_of(service, gpu), service.model.architecture
    if arch is None or not counts_pages(service, profile):
        return None
    ranks = service.parallelism(split)
    groups = inference.cache_groups(arch, service.formats[form.kv_cache], profile, ranks.heads, ranks.pipeline)
    expected, least = (inference.pages(budget, groups, profile.state_pages) for budget in budgets)
    if expected is None or least is None:
        return None
    million = 10**6
    return min(least, expected * million // (million + inference.margin_ppm(profile, "pages", service.confidence)))


def cache_budget(service: InferenceWorkload, gpu: Gpu, weights: Ints, peaks: tuple[int, int], overhead: Ints) -> Ints:
    """Return the bytes that the engine will give its KV cache, as expected."""
    return inference.cache_room(profile_of(service, gpu), gpu, weights, *peaks, overhead)


def safe_budget(
    service: InferenceWorkload, profile: Profile, budget: Ints, weights: Ints, peaks: Ints, overhead: Ints, fixed: Ints
) -> Ints:
    """Return the bytes that the engine's cache has at least, at the workload's confidence."""
    activations, logits = peaks
    left = budget - margin_bytes(service, profile, weights, 0, activations, logits, overhead, fixed)
    left, million = (left + abs(left)) // 2, 10**6
    return left * million // (million + inference.margin_ppm(profile, "kv_cache", service.confidence))


def budgets(service: InferenceWorkload, form: NumberFormats, split: Split, gpu: Gpu) -> tuple[int, int]:
    """Return the bytes of the engine's cache, as expected and at least."""
    return budgets_of(service, split, gpu, parts(service, form, split, gpu))


def budgets_of(service: InferenceWorkload, split: Split, gpu: Gpu, sizes: Mapping[str, int]) -> tuple[int, int]:
    """Return the bytes of the engine's cache beside the other parts, of these `sizes`, as expected and at least."""
    if service.model.architecture is None:
        return 0, 0
    profile, peaks = profile_of(service, gpu), (sizes["activations"], sizes["logits"])
    expected = int(cache_budget(service, gpu, sizes["weights"], peaks, sizes["overhead"]))
    fixed = fixed_bytes(service, split, gpu, profile)
    return expected, int(safe_budget(service, profile, expected, sizes["weights"], peaks, sizes["overhead"], fixed))


def capacities(
    service: InferenceWorkload, form: NumberFormats, split: Split, gpu: Gpu, budget: int, names: tuple[str, ...] = HELD
) -> dict[str, int]:
    """Return what the engine's cache holds, of these names at least."""
    if service.model.architecture is None:
        return dict.fromkeys(names, UNKNOWN)
    profile = profile_of(service, gpu)
    key = ("capacity", form, split, gpu.id, profile, budget)
    cached: dict[str, int] = service.known.setdefault(key, {})
    missing = [name for name in names if name not in cached]
    if not missing:
        return cached
    groups = inference.cache_groups_beside(served(service, form), service.parallelism(split), service.extras, profile)
    sharers = service.sharers(split)
    alone = sequences(service, service.context, 1, profile)
    loads = _Loads(service, form, split, gpu, budget, groups)
    for name in missing:
        if name == "kv_tokens":
            one = alone if profile.by_request and len(groups) > 1 else None
            cached[name] = max(0, inference.pool_tokens(budget, groups, profile.block, one)) * sharers
        elif name == "max_concurrency":

            def sequences_in(room: int) -> int | None:
                return inference.most_sequences(room, groups, alone, profile.block)

            def with_sequences(many: int) -> tuple[int, int]:
                return service.context, many * sharers

            most = _largest(loads, with_sequences, sequences_in, max(1, service.concurrency // sharers))
            cap = service.by_sequence or "max_sequences" in service.workload.given
            limits = [
                at for at in (profile.max_sequences if cap else None, sequence_limit(service), most) if at is not None
            ]
            cached[name] = UNKNOWN if most is None else min(limits) * sharers
        else:
            wanted = resident(service, split, profile)
            longest_known = service.model.max_context or 1 << 20

            def context_in(room: int) -> int:
                return inference.longest_context(room, groups, wanted, profile.block, longest_known)  # noqa: B023

            def with_context(tokens: int) -> tuple[int, int]:
                return tokens, service.concurrency

            longest = _largest(loads, with_context, context_in, service.context) or 0
            cached[name] = longest // profile.block * profile.block
    return cached


def sequences_in_cache(
    service: InferenceWorkload, form: NumberFormats, split: Split, gpu: Gpu, budget: int
) -> int | None:
    """Return how many sequences of the workload's context a cache of so many bytes holds, whatever runs at once.

    It is what an engine started for the workload's load reports; more than those would leave the cache less. None
    where a sequence takes nothing.
    """
    profile = profile_of(service, gpu)
    groups = inference.cache_groups_beside(served(service, form), service.parallelism(split), service.extras, profile)
    most = inference.most_sequences(budget, groups, sequences(service, service.context, 1, profile), profile.block)
    return None if most is None else most * service.sharers(split)


class _Loads:
    """What other loads than a workload's own take and leave on the same hardware, by their context and sequences.

    More sequences than an engine's own batch enlarge its sampler, its CUDA graphs and its states; llama.cpp's buffers
    and the batches of transformers follow the load, and an encoder works on a context's images.
    """

    def __init__(
        self,
        service: InferenceWorkload,
        form: NumberFormats,
        split: Split,
        gpu: Gpu,
        budget: int,
        groups: inference.Groups,
    ) -> None:
        """Keep what is fixed; `budget` is what the workload's own load leaves to the cache of these `groups`."""
        self.service, self.form, self.split, self.gpu = service, form, split, gpu
        self.budget, self.groups = budget, groups
        self.weights = weights_bytes(service, form, split, profile_of(service, gpu))
        self.own = self._taken(service)
        needs, left = outside(service, split, gpu)
        self.holds_outside = needs <= left
        self.holds_pages = self._has_pages(service, 0)
        self.grew: dict[tuple[int, int], int] = {}

    def _at(self, context: int, concurrency: int) -> InferenceWorkload:
        service = self.service
        follows = service.prompt + service.output == service.context
        prompt = max(1, context - service.output) if follows else min(service.prompt, context)
        several = service.several and concurrency > 1
        # by load for the whole workload: its rows ask for the same few, and what is known of one holds for all
        services: dict[tuple[int, int], InferenceWorkload] = service.known.setdefault(("loads",), {})
        if (context, concurrency) not in services:
            if len(services) > MOST_LOADS:
                services.clear()
            services[context, concurrency] = replace(
                service, context=context, concurrency=max(1, concurrency), prompt=prompt, several=several, known={}
            )
        return services[context, concurrency]

    def _sizes(self, service: InferenceWorkload) -> tuple[tuple[int, int], int, int]:
        """Return the activations and logits, the overhead and the part of it with a margin of its own."""
        profile = profile_of(service, self.gpu)
        peaks = peak_bytes(service, self.split, profile)
        above = int(overhead_bytes(service, self.form, self.split, self.gpu, self.weights, peaks))
        return peaks, above, fixed_bytes(service, self.split, self.gpu, profile)

    def _taken(self, service: InferenceWorkload) -> int:
        """Return what stands beside weights and cache, margin included."""
        (activations, logits), above, fixed = self._sizes(service)
        profile = profile_of(service, self.gpu)
        spare = margin_bytes(service, profile, self.weights, 0, activations, logits, above, fixed)
        return activations + logits + above + int(spare)

    def grown(self, context: int, concurrency: int) -> int:
        """Return what a load takes beside the cache beyond what the workload's own takes; negative where less."""
        load = context, concurrency
        if load not in self.grew:
            self.grew[load] = self._taken(self._at(*load)) - self.own
        return self.grew[load]

    def fits(self, context: int, concurrency: int) -> bool:
        """Return whether a load keeps every rule on memory that the workload's own keeps."""
        service = self._at(context, concurrency)
        profile = profile_of(service, self.gpu)
        room = self.budget - self.grown(context, concurrency)
        if inference.bytes_held(self.groups, resident(service, self.split, profile), profile.block) > room:
            return False
        needs, left = outside(service, self.split, self.gpu) if self.holds_outside else (0, 0)
        return needs <= left and (not self.holds_pages or self._has_pages(service, self.budget - room))

    def _has_pages(self, service: InferenceWorkload, more: int) -> bool:
        """Return whether the pool has a page for each sequence of a load that takes so many bytes `more`."""
        profile = profile_of(service, self.gpu)
        if not counts_pages(service, profile):
            return True
        peaks, above, _ = self._sizes(service)
        expected = int(cache_budget(service, self.gpu, self.weights, peaks, above))
        pages = state_pages(service, self.form, self.split, self.gpu, (expected, self.budget - more))
        return pages is None or profile.max_sequences <= pages


MOST_LOADS = 2_000
"""So many loads of a workload are kept."""

STEPS = 6
"""How often what fits is halved between what does for certain and what may."""


def _largest(
    loads: _Loads, load: Callable[[int], tuple[int, int]], room: Callable[[int], int | None], own: int
) -> int | None:
    """Return the largest number whose `load` fits but for a sixty-fourth of what is in doubt, None where none ends it.

    `room` says how many a cache of so many bytes holds whatever else they take, and `own` is the workload's.
    """
    budget = loads.budget
    most = room(budget)
    if most is None:
        return None
    if most < own:  # fewer may leave the cache more
        most = min(own, room(budget - min(0, loads.grown(*load(1)))) or 0)
    if most <= 0 or loads.fits(*load(most)):
        return max(0, most)
    low = min(most - 1, max(0, room(budget - max(0, loads.grown(*load(most)))) or 0))
    if low and not loads.fits(*load(low)):
        low = own if own < most and loads.fits(*load(own)) else 0
    high = min(most - 1, room(budget - loads.grown(*load(max(1, low)))) or 0)
    for _ in range(STEPS):
        if low >= high:
            break
        middle = (low + high + 1) // 2
        if loads.fits(*load(middle)):
            low = middle
        else:
            high = middle - 1
    return low


def largest_batch(service: InferenceWorkload, form: NumberFormats, split: Split, gpu: Gpu, budget: int) -> int | None:
    """Return the most sequences whose states fit beside the cache of those that are served.

    None where an engine keeps no state of sequences that are not there, or where those that are do not fit.
    """
    profile = profile_of(service, gpu)
    load = resident(service, split, profile)
    if not load.states:
        return None
    groups = inference.cache_groups_beside(served(service, form), service.parallelism(split), service.extras, profile)
    least, more = (
        inference.bytes_held(groups, replace(load, states=load.concurrency + extra), profile.block) for extra in (0, 1)
    )
    if least > budget or more == least:
        return None
    return load.concurrency + (budget - least) // (more - least)
