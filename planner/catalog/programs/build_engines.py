"""Building the records of engines from the rows of engines.yaml."""

from __future__ import annotations

from fractions import Fraction

from planner.catalog.programs.engines import CacheDefault, Engine, ExpertKernel, Lack, Release
from planner.catalog.reading.fields import Row, fraction_of, integers_of, number_of, text_of, texts_of, whole_of
from planner.catalog.reading.lazily import Lazily


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _release(row: Row) -> Release:
    sequences, batched = whole_of(row, "max_sequences"), whole_of(row, "max_batched_tokens")
    sampler = fraction_of(row, "sampler_bytes_per_logit")
    return Release(
        since=_version(str(row["since"])),
        budget=text_of(row, "budget"),
        gpu_memory_utilization=fraction_of(row, "gpu_memory_utilization"),
        max_sequences=sequences,
        max_sequences_large=row.get("max_sequences_large", sequences),
        max_batched_tokens=batched,
        max_batched_tokens_large=row.get("max_batched_tokens_large", batched),
        sampler_bytes_per_logit=sampler,
        light_sampler_bytes_per_logit=fraction_of(row, "light_sampler_bytes_per_logit", str(sampler)),
        non_torch_bytes={int(key): value for key, value in integers_of(row, "non_torch_bytes").items()},
        context_bytes=whole_of(row, "context_bytes"),
        graph_bytes=whole_of(row, "graph_bytes"),
        whole_prompts=bool(row.get("whole_prompts", False)),
        whole_batches=bool(row.get("whole_batches", False)),
        graphs_in_budget=bool(row.get("graphs_in_budget", False)),
        state_bits=number_of(row, "state_bits") or 16,
        windows=bool(row.get("windows", True)),
        rope_cache=bool(row.get("rope_cache", True)),
        latent_multiple=number_of(row, "latent_multiple") or 1,
        reserves=tuple(
            (int(below), int(fixed), int(each), int(four[0]) if four else 0)
            for below, fixed, each, *four in row.get("reserves") or ()
        ),
        shares={int(ranks): Fraction(str(share)) for ranks, share in (row.get("shares") or {}).items()},
        source=text_of(row, "source"),
        encoder=row.get("encoder", ""),
        thread_bytes=number_of(row, "thread_bytes") or 0,
        non_torch_bridged_bytes={int(key): value for key, value in integers_of(row, "non_torch_bridged_bytes").items()},
        vendor_bytes=integers_of(row, "vendor_bytes"),
        state_pages=number_of(row, "state_pages") or 0,
        state_checkpoints={kind: tuple(on) for kind, on in (row.get("state_checkpoints") or {}).items()},
        checkpoint_tokens=integers_of(row, "checkpoint_tokens"),
        state_slots=number_of(row, "state_slots") or 1,
        state_batches=bool(row.get("state_batches", False)),
        state_ratio=fraction_of(row, "state_ratio", "0"),
        window_families=texts_of(row, "window_families"),
        window_ratio=fraction_of(row, "window_ratio", "0"),
        by_request=bool(row.get("by_request", False)),
        absorbed=bool(row.get("absorbed", False)),
        graph_layer_bytes={int(key): value for key, value in integers_of(row, "graph_layer_bytes").items()},
        graph_vendor_bytes=integers_of(row, "graph_vendor_bytes"),
        graph_modes=texts_of(row, "graph_modes"),
        graph_steps=tuple((int(step), int(most)) for step, most in row.get("graph_steps") or ()),
        graphs_by_sequences=bool(row.get("graphs_by_sequences", False)),
        large_gpus=texts_of(row, "large_gpus"),
        large_excludes=("a100",) if row.get("large_excludes") is None else texts_of(row, "large_excludes"),
        max_batched_tokens_huge=number_of(row, "max_batched_tokens_huge") or 0,
        batches_in_flight=number_of(row, "batches_in_flight") or 1,
        state_blocks=bool(row.get("state_blocks", False)),
        non_torch_paired_bytes={int(key): value for key, value in integers_of(row, "non_torch_paired_bytes").items()},
        expert_tokens=number_of(row, "expert_tokens") or 0,
        communicator_bytes=number_of(row, "communicator_bytes") or 0,
        falls_back=_fallback(row, "falls_back"),
        falls_back_mixers=texts_of(row, "falls_back_mixers"),
        compressed_pool=row.get("compressed_pool") or "",
        scores_kept_on=texts_of(row, "scores_kept_on"),
        outputs_by_sequence=bool(row.get("outputs_by_sequence")),
        prefill_graphs=tuple((int(below), int(kept)) for below, kept in row.get("prefill_graphs") or ()),
        prefill_graphs_latent=int(row.get("prefill_graphs_latent") or 0),
        prefill_graphs_never=texts_of(row, "prefill_graphs_never"),
        graph_batches=tuple((int(below), int(few), int(many)) for below, few, many in row.get("graph_batches") or ()),
        second_runner=row.get("second_runner") or "",
        second_runner_families=texts_of(row, "second_runner_families"),
        second_sampler_bytes_per_logit=fraction_of(row, "second_sampler_bytes_per_logit", "0"),
        warm_up_bytes_per_logit=fraction_of(row, "warm_up_bytes_per_logit", "4"),
        compiles=bool(row.get("compiles", False)),
        communicator_switched_bytes=number_of(row, "communicator_switched_bytes") or 0,
        unified_bytes=number_of(row, "unified_bytes") or 0,
    )


def _fallback(row: Row, name: str) -> tuple[str, str]:
    first, second = row.get(name) or ("", "")
    return str(first), str(second)


def _lack(row: Row) -> Lack:
    return Lack(
        decision=text_of(row, "decision"),
        what=text_of(row, "what"),
        source=text_of(row, "source"),
        formats=texts_of(row, "formats"),
        sparse=bool(row.get("sparse", False)),
        dense=bool(row.get("dense", False)),
        by_sequence=bool(row.get("by_sequence", False)),
        all_to_all=texts_of(row, "all_to_all"),
        split=row.get("split") or "",
        vendors=texts_of(row, "vendors"),
        runs_on=texts_of(row, "runs_on"),
        until=row.get("until") or "",
        since=row.get("since") or "",
        caches=texts_of(row, "caches"),
        latent=bool(row.get("latent", False)),
        plain=bool(row.get("plain", False)),
        mixed=bool(row.get("mixed", False)),
        families=texts_of(row, "families"),
        tasks=texts_of(row, "tasks"),
        experts=bool(row.get("experts", False)),
        sinks=bool(row.get("sinks", False)),
        head_sizes=tuple(row.get("head_sizes") or ()),
        images=bool(row.get("images", False)),
        as_published=bool(row.get("as_published", False)),
        cpus=texts_of(row, "cpus"),
        prefixes=bool(row.get("prefixes", False)),
        drafts=bool(row.get("drafts", False)),
        unlike_drafts=bool(row.get("unlike_drafts", False)),
        several=bool(row.get("several", False)),
        states=bool(row.get("states", False)),
        most_sequences=row.get("most_sequences") or 0,
        adapters=bool(row.get("adapters", False)),
        adapter_ranks=tuple(row.get("adapter_ranks") or ()),
        offloads_cache=bool(row.get("offloads_cache", False)),
        offloads_weights=bool(row.get("offloads_weights", False)),
        head_multiple=row.get("head_multiple") or 1,
        tower_heads=row.get("tower_heads") or 0,
        hidden_sizes=tuple(row.get("hidden_sizes") or ()),
    )


def _cache_default(row: Row) -> CacheDefault:
    return CacheDefault(
        format=text_of(row, "format"),
        families=texts_of(row, "families"),
        source=text_of(row, "source"),
        runs_on=texts_of(row, "runs_on"),
    )


def _kernel(row: Row) -> ExpertKernel:
    return ExpertKernel(
        formats=texts_of(row, "formats"),
        runs_on=texts_of(row, "runs_on"),
        inner=whole_of(row, "inner"),
        hidden=whole_of(row, "hidden"),
        sparse=bool(row.get("sparse", False)),
        source=text_of(row, "source"),
        since=row.get("since") or "",
        until=row.get("until") or "",
        kept_bits=fraction_of(row, "kept_bits", "0"),
    )


def build_engine(row: Row) -> Engine:
    """Return the engine of a row of engines.yaml."""
    return Engine(
        id=text_of(row, "id"),
        name=text_of(row, "name"),
        block_tokens=whole_of(row, "block_tokens"),
        gpu_memory_utilization=fraction_of(row, "gpu_memory_utilization"),
        max_sequences=whole_of(row, "max_sequences"),
        max_batched_tokens=whole_of(row, "max_batched_tokens"),
        context_bytes=whole_of(row, "context_bytes"),
        non_torch_bytes={int(key): value for key, value in integers_of(row, "non_torch_bytes").items()},
        graph_bytes=whole_of(row, "graph_bytes"),
        sampler_bytes_per_logit=fraction_of(row, "sampler_bytes_per_logit"),
        bandwidth_efficiency=fraction_of(row, "bandwidth_efficiency"),
        flops_efficiency=fraction_of(row, "flops_efficiency"),
        sources={key: str(value) for key, value in row["sources"].items()},
        source=text_of(row, "source"),
        note=row.get("note", ""),
        releases=Lazily(_release, sorted(row.get("releases") or (), key=lambda one: _version(text_of(one, "since")))),
        margins={
            part: {int(at): whole_of(table, at) for at in table} for part, table in (row.get("margins") or {}).items()
        },
        kv_formats=texts_of(row, "kv_formats"),
        layer_split=bool(row.get("layer_split", False)),
        offload=row.get("offload", ""),
        vendors=texts_of(row, "vendors"),
        excludes=texts_of(row, "excludes"),
        least_capability=row.get("least_capability") or "",
        step_us=float(number_of(row, "step_us") or 0),
        sequence_us=float(number_of(row, "sequence_us") or 0),
        collective_us=float(number_of(row, "collective_us") or 0),
        lacks=tuple(map(_lack, row.get("lacks") or ())),
        expert_kernels=tuple(map(_kernel, row.get("expert_kernels") or ())),
        cache_defaults=tuple(map(_cache_default, row.get("cache_defaults") or ())),
        one_host=bool(row.get("one_host", False)),
        whole_blocks=bool(row.get("whole_blocks", False)),
        expert_ranks=row.get("expert_ranks") or "some",
        vocabulary_block=row.get("vocabulary_block") or 0,
        own_kv_heads=bool(row.get("own_kv_heads", False)),
        batch_of_sequences=bool(row.get("batch_of_sequences", False)),
        encoder_apart=bool(row.get("encoder_apart", False)),
        refuses_longer=bool(row.get("refuses_longer", False)),
        sets=dict(row.get("sets") or {}),
        **{name: float(row[name]) for name in FITTED if row.get(name) is not None},
        kernels={
            operation: {
                name: {str(at): tuple(map(float, shares)) for at, shares in entries.items()}
                for name, entries in formats.items()
            }
            for operation, formats in (row.get("kernels") or {}).items()
        },
        time_margins=_time_margins(row, "time_margins"),
        anchored_margins=_time_margins(row, "anchored_margins"),
    )


def _time_margins(row: Row, key: str) -> dict[str, dict[int, int]]:
    return {name: {int(at): whole_of(table, at) for at in table} for name, table in (row.get(key) or {}).items()}


FITTED = ("layer_us", "request_us", "prompt_factor", "prompt_steps", "prompt_waiting")
"""The times of an engine that are fitted end to end."""
