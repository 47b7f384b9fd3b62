"""What an engine's cache holds: its bytes as expected and at least, and the tokens and sequences they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from planner.catalog.architecture import Recurrent
from planner.catalog.records import Gpu
from planner.language.quantities.outcomes import HELD
from planner.physics import inference
from planner.physics.inference import Profile
from planner.solve.columns.steps import UNKNOWN
from planner.solve.inference.memory import fixed_bytes, margin_bytes, parts, peak_bytes, resident, sequences, served
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


def cache_budget(service: InferenceWorkload, gpu: Gpu, weights: Any, peaks: tuple[int, int], overhead: Any) -> Any:
    """Return the bytes that the engine will give its KV cache, as expected."""
    return inference.cache_room(profile_of(service, gpu), gpu, weights, *peaks, overhead)


def safe_budget(
    service: InferenceWorkload, profile: Profile, budget: Any, weights: Any, peaks: Any, overhead: Any, fixed: Any
) -> Any:
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
    cached: dict[str, int] = service.known.setdefault(("capacity", form.kv_cache, split, profile, budget), {})
    missing = [name for name in names if name not in cached]
    if missing:
        groups = inference.cache_groups_beside(
            served(service, form), service.parallelism(split), service.extras, profile
        )
        sharers = service.sharers(split)
        alone = sequences(service, service.context, 1, profile)
    for name in missing:
        if name == "kv_tokens":
            one = alone if profile.by_request and len(groups) > 1 else None
            cached[name] = max(0, inference.pool_tokens(budget, groups, profile.block, one)) * sharers
        elif name == "max_concurrency":

            def sequences_in(less: int) -> int | None:
                return inference.most_sequences(budget - less, groups, alone, profile.block)

            def beside_sequences(many: int) -> int:
                return _grown(service, split, gpu, service.context, many * sharers)

            most = sequences_in(0)
            cached[name] = UNKNOWN if most is None else _settled(most, beside_sequences, sequences_in) * sharers
        else:
            wanted = resident(service, split, profile)
            limit = service.model.max_context or 1 << 20

            def context_in(less: int) -> int:
                return inference.longest_context(budget - less, groups, wanted, profile.block, limit)  # noqa: B023

            def beside_context(tokens: int) -> int:
                return _grown(service, split, gpu, tokens, service.concurrency)

            longest = _settled(context_in(0), beside_context, context_in)
            cached[name] = longest // profile.block * profile.block
    return cached


def _grown(service: InferenceWorkload, split: Split, gpu: Gpu, context: int, concurrency: int) -> int:
    """Return what the engine's peak takes of a load beyond that of the workload's own, margin included; 0 of less.

    llama.cpp's buffers and the batches of transformers follow the load, and an encoder works on a context's images.
    """
    profile, arch = profile_of(service, gpu), service.model.architecture
    images = arch is not None and inference.encoder_of(arch) is not None
    if not (images or inference.follows_load(profile) or profile.whole_batches):
        return 0
    follows = service.prompt + service.output == service.context
    prompt = max(1, context - service.output) if follows else min(service.prompt, context)
    changed = replace(service, context=context, concurrency=max(1, concurrency), prompt=prompt, known={})
    now = sum(peak_bytes(service, split, profile))
    more = max(0, sum(peak_bytes(changed, split, profile_of(changed, gpu))) - now)
    return more + more * inference.margin_ppm(profile, "activations", service.confidence) // 10**6


STEPS = 4
"""How often what fits is halved between what does for certain and what may."""


def _settled(most: int, grown: Callable[[int], int], room: Callable[[int], int | None]) -> int:
    """Return a number at most `most` that fits where it takes `grown` bytes beside the cache, of which `room` then fit:
    the largest but for a sixteenth of what is in doubt."""
    most = max(0, most)
    if not most or not grown(most):
        return most
    low = max(0, room(grown(most)) or 0)
    high = max(low, min(most, room(grown(low)) or 0))
    for _ in range(STEPS):
        middle = (low + high + 1) // 2
        if middle <= (room(grown(middle)) or 0):
            low = middle
        else:
            high = max(low, middle - 1)
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
        inference.held(groups, replace(load, states=load.concurrency + extra), profile.block) for extra in (0, 1)
    )
    if least > budget or more == least:
        return None
    return load.concurrency + (budget - least) // (more - least)
