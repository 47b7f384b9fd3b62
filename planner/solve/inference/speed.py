"""How fast one way to serve a model runs: seconds a token, tokens and requests a second; plain numbers or arrays."""

from __future__ import annotations

from typing import Any

from planner.catalog.records import Gpu
from planner.physics import time
from planner.record import dataclass
from planner.solve.inference.workload import Service, sixteen_bit
from planner.solve.rent.rental import NETWORK
from planner.solve.stated import number


@dataclass(frozen=True, slots=True)
class Load:
    """What the roofline needs of a candidate; every field a number or an array of them."""

    weights: Any
    kv_cache: Any
    tensor: Any
    pipeline: Any
    bandwidth: Any
    peak_flops: Any
    link: Any
    host: Any
    nodes: Any = 1
    network: Any = NETWORK

    def at(self, rows: Any, network: Any) -> Load:
        """Return the load of rows of a table, over a network of each."""
        own = {name: getattr(self, name)[rows] for name in self.__slots__ if name != "network"}
        return Load(**own, network=network)

    @property
    def crossed(self) -> Any:
        """How often a token goes from one stage to the next over the network between hosts."""
        groups = (self.nodes > self.pipeline) * 1
        return groups * (self.pipeline - 1) + (1 - groups) * (self.nodes - 1)

    @property
    def tensor_link(self) -> Any:
        """Bytes/s of a tensor group's ring, which enters each of its hosts once."""
        outside = (self.nodes > self.pipeline) * 1.0
        return self.link * (1 - outside) + time.lesser(self.link, self.network) * outside


def link_of(gpu: Gpu) -> int:
    """Return the bandwidth between GPUs in bytes/s: the link's, or PCIe's 16 GB/s (gen 4 x8, one direction)."""
    return gpu.link_bandwidth or 16 * 10**9


def host_of(gpu: Gpu) -> float:
    """Return the bandwidth between host and GPU in bytes/s, one direction."""
    return time.host_link(gpu.pcie)


def speeds(this: Service, load: Load) -> tuple[Any, Any]:
    """Return seconds per output token and seconds to the first token."""
    arch = this.model.architecture
    assert arch is not None
    how, active = time.pace(this.engine), this.model.active_params
    tp, pp = load.tensor, load.pipeline
    batch = this.concurrency / pp  # the stages of a pipeline work on as many parts of the batch
    hop = 2 * arch.hidden * (load.crossed / load.network + (pp - 1 - load.crossed) / load.link)
    step = time.decode_step(
        how,
        weights=load.weights * _reading(this).share(batch),
        cache=load.kv_cache / pp,
        flops=batch * time.token_flops(arch, active, this.context) / (tp * pp),
        batch=batch,
        bandwidth=load.bandwidth,
        peak_flops=load.peak_flops,
        communication=time.allreduce(arch.hidden, arch.layers, batch, tp, load.tensor_link, how.collective) / pp,
        offloaded=this.beside.offloaded_weights + this.beside.offloaded_cache,
        host_bandwidth=load.host,
    )
    prefix = min(number(this.workload, "shared_prefix", 0), this.prompt - 1)  # in the cache, not computed again
    ttft = time.prefill_time(
        how,
        flops=(time.prompt_flops(arch, active, this.prompt) - time.prompt_flops(arch, active, prefix)) / tp,
        weights=load.weights * pp,
        bandwidth=load.bandwidth,
        peak_flops=load.peak_flops,
        communication=time.allreduce(
            arch.hidden, arch.layers, this.prompt - prefix, tp, load.tensor_link, how.collective
        )
        + hop * (this.prompt - prefix),
    )
    return pp * step + hop * batch, ttft


def _reading(this: Service) -> time.Reading:
    """Return what of the weights a step reads; the shares of a model's 16-bit form stand for every format."""
    key = ("reading",)
    if key not in this.known:
        arch = this.model.architecture
        assert arch is not None
        this.known[key] = time.reading(arch, this.model.params, this.formats[sixteen_bit(this.model.native_format)])
    found: time.Reading = this.known[key]
    return found


def rates(this: Service, replicas: Any, tpot: Any, ttft: Any) -> Any:
    """Return output tokens a second of all replicas at full load: prompts count where the plan says an `output`.

    Without one nobody knows how many tokens a prompt is followed by, and the rate is that of decoding.
    """
    if not this.output:
        return replicas * this.concurrency / tpot
    return replicas * time.output_rate(this.concurrency, this.output, tpot, ttft)


def request_rate(this: Service, replicas: Any, tpot: Any, ttft: Any) -> Any:
    """Return requests a second that the replicas sustain; an answer is one token where the plan says no `output`."""
    output = max(1, this.output)
    return replicas * time.output_rate(this.concurrency, output, tpot, ttft) / output
