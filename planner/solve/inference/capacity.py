"""What an engine's cache holds: its bytes as expected and at least, and the tokens and sequences they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from planner.catalog.architecture import Recurrent
from planner.catalog.records import Gpu
from planner.language.quantities.outcomes import HELD
from planner.physics import inference
from planner.physics.inference import Profile
from planner.solve.columns.steps import UNKNOWN
from planner.solve.inference.memory import fixed_bytes, margin_bytes, parts, resident, sequences, served
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
            most = inference.most_sequences(budget, groups, alone, profile.block)
            cached[name] = UNKNOWN if most is None else max(0, most) * sharers
        else:
            wanted = resident(service, split, profile)
            limit = service.model.max_context or 1 << 20
            cached[name] = max(0, inference.longest_context(budget, groups, wanted, profile.block, limit))
    return cached


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
