"""How fast one way to serve a model runs: seconds a token, tokens and requests a second; plain numbers or arrays."""

from __future__ import annotations

from fractions import Fraction
from math import inf, log, sqrt
from typing import TYPE_CHECKING, NamedTuple

from planner.catalog.architecture import Attention, CompressedAttention, Mixer
from planner.catalog.records import Format, Gpu
from planner.physics import inference, kernels, serving_time, time
from planner.physics.confidence import interpolated
from planner.physics.serving_time import KernelSpeeds
from planner.record import dataclass
from planner.solve.columns.steps import Floats
from planner.solve.inference import layerwise
from planner.solve.inference.drafting import drafting
from planner.solve.inference.memory import sequences
from planner.solve.inference.workload import InferenceWorkload, NumberFormats, profile_of, sixteen_bit
from planner.solve.rent.rental import NETWORK
from planner.solve.stated import number

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


@dataclass(frozen=True, slots=True)
class Load:
    """What the times need of a candidate; every field a number or an array of them. `card` has the fields of a card and
    the share of the weights that every token passes, in the order of `fields`; `anchor` those of an Anchor, None where
    the plan has no measurements."""

    weights: Floats
    kv_cache: Floats
    tensor: Floats
    pipeline: Floats
    card: Floats
    link: Floats
    host: Floats
    nodes: Floats = 1
    network: Floats = NETWORK
    anchor: Floats = None

    def at(self, rows: Column, network: Floats) -> Load:
        """Return the load of rows of a table, over a network of each."""
        apart = ("network", "card", "anchor")
        own = {name: getattr(self, name)[rows] for name in self.__slots__ if name not in apart}
        anchor = None if self.anchor is None else self.anchor[:, rows]
        return Load(**own, card=self.card[:, rows], network=network, anchor=anchor)

    @property
    def crossed(self) -> Floats:
        """How often a token goes from one stage to the next over the network between hosts."""
        groups = (self.nodes > self.pipeline) * 1
        return groups * (self.pipeline - 1) + (1 - groups) * (self.nodes - 1)

    @property
    def outside(self) -> Floats:
        """Whether a tensor group lies on several hosts: its ring enters each of them once."""
        return (self.nodes > self.pipeline) * 1.0


def link_of(gpu: Gpu) -> int:
    """Return the bandwidth between GPUs in bytes/s: the link's, or PCIe's 16 GB/s (gen 4 x8, one direction)."""
    return gpu.link_bandwidth or 16 * 10**9


def host_of(gpu: Gpu) -> float:
    """Return the bandwidth between host and GPU in bytes/s, one direction."""
    return time.host_link(gpu.pcie)


def fields(service: InferenceWorkload, form: NumberFormats, gpu: Gpu) -> tuple[float, ...]:
    """Return what a GPU reaches with formats: the fields of a card's kernels and sums, flat, and the dense share."""
    weights = _slowest(service, form, gpu) if layerwise.is_mix(form.weights) else form.weights
    key = ("runs", weights, weights == form.weights, form.activations, form.kv_cache)
    if key not in service.known:
        arch, formats = service.model.architecture, service.formats
        assert arch is not None
        low = formats[form.kv_cache].bits < 16
        ran = kernels.runs(arch, formats[weights], formats[form.activations], low, service.model.native_format)
        read = _reading(service, formats[weights] if weights == form.weights else None)
        service.known[key] = ran, read.dense / read.total
    ran, share = service.known[key]
    return (*_reached(service, ran, gpu), share, *_draft_fields(service, form, gpu))


def _reached(service: InferenceWorkload, ran: tuple[tuple[str, str], ...], gpu: Gpu) -> tuple[float, ...]:
    """Return what a GPU reaches in operations and their formats, flat."""
    card = ("card", ran, gpu.id)
    if card not in service.known:
        speeds_of_card = kernels.card(service.engine, gpu, ran, link_of(gpu))
        service.known[card] = (
            *(value for kernel in speeds_of_card[:4] for value in kernel),
            speeds_of_card.collective,
            speeds_of_card.link,
        )
    reached: tuple[float, ...] = service.known[card]
    return reached


def _draft_fields(service: InferenceWorkload, form: NumberFormats, gpu: Gpu) -> tuple[float, ...]:
    """Return what a GPU reaches with a draft model, flat; nothing where none drafts."""
    if service.extras.draft is None:
        return ()
    arch, _, fmt = service.extras.draft
    low = service.formats[form.kv_cache].bits < 16
    return _reached(service, kernels.runs(arch, fmt, fmt, low, fmt.id), gpu)


def known(card: tuple[float, ...]) -> bool:
    """Return whether a GPU is known to read and to compute at all."""
    return all(card[at] > 0 for at in (1, 2, 4, 5, 7, 11, 13))


def _slowest(service: InferenceWorkload, form: NumberFormats, gpu: Gpu) -> str:
    """Return the format that computes slowest of a mix, and then the first."""
    acts = service.formats[form.activations]
    names = sorted(set(layerwise.layers_of(form.weights)))
    return min(names, key=lambda name: kernels.peak(gpu, kernels.product(service.formats[name], acts)))


def _reading(service: InferenceWorkload, weights: Format | None) -> time.Reading:
    """Return what of the weights a step reads; the shares of a model's 16-bit form stand for a mix of formats."""
    key = ("reading", weights.id if weights else "")
    if key not in service.known:
        arch = service.model.architecture
        assert arch is not None
        fmt = weights or service.formats[sixteen_bit(service.model.native_format)]
        service.known[key] = time.reading(arch, service.model.params, fmt)
    cached: time.Reading = service.known[key]
    return cached


def _card(load: Load) -> tuple[KernelSpeeds, Floats]:
    """Return the card of a load, and the share of its weights that every token passes."""
    flat = load.card
    dense, experts, cache, scores = (
        serving_time.Kernel(flat[at], flat[at + 1], flat[at + 2]) for at in range(0, 12, 3)
    )
    link = flat[13] * (1 - load.outside) + time.lesser(flat[13], load.network) * load.outside
    return KernelSpeeds(dense, experts, cache, scores, flat[12], link), flat[DRAFT - 1]


DRAFT = 15
"""Where the fields of a draft model begin, if there is one."""


def mean_share(service: InferenceWorkload) -> float:
    """Return what of the cache at full `context` a step reads: that of the mean context, half of the output written."""
    key = ("mean_share",)
    if key not in service.known:
        arch = service.model.architecture
        assert arch is not None
        each, windowed = inference.kv_bytes_per_token(arch), inference.window_bytes_per_token(arch)
        windows = [_window(group.mixer) for group in arch.groups]
        window, state = max(windows, default=0) or service.context, inference.state_bytes(arch)

        def held(tokens: float) -> float:
            return each * tokens + windowed * min(tokens, window) + state

        mean = min(mean_context(service), service.context)
        profile = profile_of(service, next(iter(service.gpus.values())))
        load = sequences(service, service.context, service.concurrency, profile)
        read = inference.read_share(arch, service.formats["bf16"], profile, load)
        service.known[key] = read * held(mean) / held(service.context) if held(service.context) else read
    cached: float = service.known[key]
    return cached


def _window(mixer: Mixer) -> int:
    """Return how many tokens a mixer sees at most; 0 for all."""
    match mixer:
        case Attention(window=window, chunk=chunk):
            return window or chunk
        case CompressedAttention(window=window):
            return window
        case _:
            return 0


def mean_context(service: InferenceWorkload) -> float:
    """Return the tokens of the mean context of a sequence while it is decoded."""
    return service.prompt + service.output / 2


class Times(NamedTuple):
    """Mean seconds where `concurrency` sequences are served all the time: per output token and to the first one; of a
    step without others' prompts, of a request without waiting for them, and of one prompt alone.

    `margins` are what measured times reach of `tpot` and `ttft` at most where the plan's own measurements say it, 0
    where they do not; None where it has none.
    """

    tpot: Floats
    ttft: Floats
    step: Floats
    alone: Floats
    prefill: Floats
    margins: Floats = None

    def at(self, rows: Column) -> Times:
        """Return the times of rows of a table."""
        columns = [None if column is None else column[..., rows] for column in self]
        return Times(*columns)


def speeds(service: InferenceWorkload, load: Load) -> Times:
    """Return the times of a load: prompts of others take their share of the steps where the plan says an `output`.

    With a draft model a step is as many of its passes as it proposes tokens, and one of the model over these and one
    more of each sequence (arXiv 2211.17192); it makes a token, and those of the proposed that are accepted.
    """
    arch = service.model.architecture
    assert arch is not None
    between, call_counts, active = (
        serving_time.between(service.engine),
        serving_time.calls(arch),
        service.model.active_params,
    )
    tp, pp = load.tensor, load.pipeline
    card, dense = _card(load)
    draft = None
    if service.extras.draft is not None:
        slower = time.lesser(load.card[DRAFT + 13], load.network)  # a ring over hosts enters each of them once
        link = load.card[DRAFT + 13] * (1 - load.outside) + slower * load.outside
        draft = drafting(service, load.card[DRAFT:], link, tp, load.kv_cache, mean_share(service))
    weights = load.weights if draft is None else load.weights - draft.weights
    passing, made = 1 + service.draft_tokens, 1 + service.draft_tokens * service.acceptance
    whole = serving_time.part(arch, active, _reading(service, None), tp, pp, weights)
    part = whole._replace(dense=weights * dense, experts=weights * (1 - dense) * (whole.held > 1))
    stage = serving_time.Calls(*(count / pp for count in call_counts))
    batch = service.concurrency / pp  # the stages of a pipeline work on as many parts of the batch
    cached = load.kv_cache if draft is None else load.kv_cache - draft.cache
    cache = cached / pp * mean_share(service)
    reads = time.attention_flops(arch, int(mean_context(service))) * batch * passing / (tp * pp)
    hop = 2 * arch.hidden * (load.crossed / load.network + (pp - 1 - load.crossed) / load.link)
    offloaded = service.extras.offloaded_weights / load.host
    step = serving_time.passing(card, between, stage, part, batch * passing, cache, 0.0)
    step = time.larger(step, reads / card.scores.peak)
    step = pp * (step + offloaded) + between.step + between.sequence * service.concurrency + hop * batch * passing
    if draft is not None:
        step = (step + service.draft_tokens * draft.step) / made  # seconds of a step for each token that it makes
    prefix = min(number(service.workload, "shared_prefix"), service.prompt - 1)  # in the cache, not computed again
    tokens = service.prompt - prefix
    passes = -(-tokens // serving_time.CHUNK)
    scores = (
        time.attention_flops(arch, service.prompt) / 2 * service.prompt
        - time.attention_flops(arch, prefix) / 2 * prefix
    )
    once = serving_time.passing(card, between, stage, part, tokens / passes, 0.0, scores / passes / (tp * pp))
    prefill = pp * passes * once + hop * tokens + (0.0 if draft is None else draft.prefill)
    tpot = step + (service.concurrency - 1) / service.output * prefill if service.output else step
    ttft = serving_time.first_token(between, service.concurrency, prefill, tpot * made)
    times = Times(tpot, ttft, step, between.request + between.factor * prefill, prefill)
    return times if load.anchor is None else _anchored(times, load.anchor)


def _anchored(times: Times, anchor: Floats) -> Times:
    """Return times as a plan's own measurements have them."""
    later, first = anchor[0], anchor[1]
    return Times(
        times.tpot * later,
        times.ttft * first,
        times.step * later,
        times.alone * first,
        times.prefill * later,
        anchor[2:],
    )


def safe_ends(service: InferenceWorkload, times: Times) -> Times:
    """Return times that measured ones are at or below in `time_confidence` of all cases."""
    key = ("time_margins",)
    if key not in service.known:
        confidence = service.workload.given["time_confidence"]
        assert isinstance(confidence, Fraction)
        tables = (tuple(sorted(service.engine.time_margins.get(name, {}).items())) for name in ("tpot", "ttft"))
        service.known[key] = tuple(1 + interpolated(table, confidence) / 1e6 for table in tables)
    one, first = service.known[key]
    if times.margins is not None:
        one, first = (
            own + (own == 0) * usual
            for own, usual in zip((times.margins[0], times.margins[1]), (one, first), strict=True)
        )
    return Times(times.tpot * one, times.ttft * first, times.step * one, times.alone * first, times.prefill * one)


def request_rate(service: InferenceWorkload, times: Times) -> Floats:
    """Return requests a second that a replica sustains; an answer is one token where the plan says no `output`."""
    return service.concurrency / (times.ttft + max(1, service.output) * times.tpot)


def rate(service: InferenceWorkload, replicas: Floats, times: Times) -> Floats:
    """Return output tokens a second of all replicas at full load: prompts count where the plan says an `output`.

    Without one nobody knows how many tokens a prompt is followed by, and the rate is that of decoding.
    """
    if not service.output:
        return replicas * service.concurrency / times.tpot
    return replicas * service.concurrency * service.output / (times.ttft + service.output * times.tpot)


LATE = 0.05
"""The share of requests that take longer than a 95th percentile."""


def busy(service: InferenceWorkload, replicas: Floats, times: Times) -> Floats:
    """Return the busy share of the replicas at the stated demand."""
    assert service.demand is not None
    return float(service.demand) / (replicas * request_rate(service, times))


def _queue(service: InferenceWorkload, replicas: Floats, times: Times) -> tuple[Floats, Floats]:
    """Return the mean seconds that requests wait for one of a replica's `concurrency` places, and the 95th percentile.

    Arrivals are split evenly over replicas. Sakasegawa's approximation of a queue of many servers (Annals of the
    Institute of Statistical Mathematics 29, 1977), times half of 1 + `burstiness`, the squared coefficient of variation
    of the gaps (Allen and Cunneen; service times vary as exponential ones). Of those who wait the wait is exponential.
    """
    if service.demand is None:
        return 0.0, 0.0
    burstiness = service.workload.given["burstiness"]
    assert isinstance(burstiness, Fraction)
    load, places = busy(service, replicas, times), service.concurrency
    idle = time.larger(1 - load, 0 * load)
    some = time.lesser(load, 0 * load + 1) ** (sqrt(2 * (places + 1)) - 1)
    service_time = times.ttft + max(1, service.output) * times.tpot
    each = _over(service_time / places * (1 + float(burstiness)) / 2, idle)
    return some * each, each * _log(time.larger(some / LATE, 0 * load + 1))


def _over(amount: Floats, part: Floats) -> Floats:
    """Return a quotient, infinite where nothing is left."""
    if isinstance(part, float):
        return amount / part if part else inf
    return amount / part


def _log(value: Floats) -> Floats:
    if isinstance(value, float):
        return log(value)
    import numpy

    return numpy.log(value)


def outcome(service: InferenceWorkload, name: str, replicas: Floats, times: Times, costs: Floats) -> Floats:
    """Return a time of so many replicas, or what follows from it, in canonical units; `costs` in micro-dollars an hour.

    95th percentiles: what a request waits for others' prompts is exponential, so that it is 3.0 times its mean; the
    number of others' prompts beside an answer is Poisson's.
    """
    match name:
        case "tpot":
            return times.tpot
        case "tpot_p95":
            others = service.concurrency - 1
            more = Z95 * sqrt(others) / service.output if service.output else 0.0
            return times.tpot + more * times.prefill
        case "ttft":
            return times.ttft + _queue(service, replicas, times)[0]
        case "ttft_p95":
            return times.alone + (times.ttft - times.alone) * log(1 / LATE) + _queue(service, replicas, times)[1]
        case "load":
            return busy(service, replicas, times)
        case "throughput":
            return rate(service, replicas, times)
        case "cost_per_input_token" | "cost_per_output_token":
            return _token_cost(service, name == "cost_per_input_token", replicas, times, costs / 3.6e9)
        case _:
            return costs / 3.6e9 / rate(service, replicas, times)


def _token_cost(service: InferenceWorkload, of_prompt: bool, replicas: Floats, times: Times, costs: Floats) -> Floats:
    """Return what a token of prompts or of answers costs; `costs` in dollars a second.

    A request costs what a replica does over the requests a second that it sustains. Of that its prompt has the share
    that the seconds of a prompt alone are of those and of the answer's part in decoding steps, which all sequences
    share: prompt x input + output x output is all that is paid. Without an `output` a replica does either alone.
    """
    prompt, answer = times.prefill, max(1, service.output) * times.step / service.concurrency
    if not service.output:
        return costs / replicas * (prompt / service.prompt if of_prompt else answer)
    request = costs / (replicas * request_rate(service, times))
    return (
        request
        * (prompt if of_prompt else answer)
        / (prompt + answer)
        / (service.prompt if of_prompt else service.output)
    )


Z95 = 1.645
"""Standard deviations above the mean of a normal distribution's 95th percentile, one-sided."""
