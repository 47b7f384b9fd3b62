"""SkyPilot: a task on the offer that was chosen (docs.skypilot.co/en/latest/reference/yaml-spec.html)."""

from __future__ import annotations

import re
from typing import Any

from planner.export import shell
from planner.export.around.kubernetes import Joined
from planner.export.around.names import label
from planner.export.documents import block, yaml_text
from planner.export.engines.program import Program
from planner.export.faults import Unsayable
from planner.export.locked import LockedWorkload

CLOUDS = ("aws", "azure", "gcp", "lambda", "nebius", "runpod", "verda")
"""Providers of the catalog that SkyPilot 0.14 rents by the names that the catalog has of their instances."""
MAKERS = ("nvidia", "amd")
"""Who makes the GPUs that a task is written for: the first's wheels are on PyPI, the other's releases are images
(docs.vllm.ai, gpu installation: ROCm wheels have an index, versions and a Python of their own)."""
NOWHERE = {"lambda": ("all",), "runpod": ("secure", "community")}
"""Regions of the catalog that are none of the provider's."""
ONE_NODE = ("runpod", "verda")
"""Clouds on which a task has one node."""
PER_GPU = re.compile(r"1x_(.+)")
"""An instance sold by the GPU, whose name begins with how many it has."""


def faults(answer: LockedWorkload, program: Program) -> list[Unsayable]:
    """Return what of an answer SkyPilot cannot say."""
    out, cloud = [], answer.word("provider")
    if (
        cloud not in CLOUDS
        or "+" in instance(answer)
        or (answer.sold_by == "gpu" and not PER_GPU.fullmatch(instance(answer)))
    ):
        reason = f"SkyPilot does not rent `{answer.word('offer')}` by a name that is known here"
        out.append(Unsayable("offer", reason, f"offer a provider of {', '.join(CLOUDS)}, or export to kubernetes"))
    elif program.hosts > 1 and cloud in ONE_NODE:
        reason = f"SkyPilot starts one node on {cloud}, and a replica spans {program.hosts}"
        out.append(Unsayable("nodes", reason, "set nodes = 1, or offer another provider"))
    if answer.vendor not in MAKERS:
        reason = f"no package and no image is known here for GPUs of {answer.vendor}"
        out.append(Unsayable("gpu", reason, f"offer GPUs of {' or '.join(MAKERS)}"))
    if answer.beside:
        reason = f"SkyPilot starts one task a machine, and `{answer.name}` shares one with {', '.join(answer.beside)}"
        out.append(Unsayable("offer", reason, "export to compose, or offer each workload a machine of its own"))
    if answer.on_a_machine > 1:
        reason = f"SkyPilot starts one replica a machine, and {answer.on_a_machine} share an instance"
        out.append(Unsayable("replicas", reason, "export to compose, or offer an instance of a replica's GPUs"))
    return out


def instance(answer: LockedWorkload) -> str:
    """Return the instance type of the offer."""
    return answer.word("offer").rpartition("/")[2]


def render(answer: LockedWorkload, program: Program, joined: Joined) -> str:
    """Return the task; a service of SkyServe where there are several replicas."""
    cloud, region, kind = answer.word("provider"), answer.word("region"), instance(answer)
    if answer.sold_by == "gpu":
        kind = PER_GPU.sub(rf"{program.gpus}x_\1", kind)
    # what PyPI has is built for CUDA; elsewhere the task runs in the release's image for that maker
    wheel = answer.vendor == MAKERS[0]
    where = cloud if region in NOWHERE.get(cloud, ()) else f"{cloud}/{region}"
    task: dict[str, Any] = {
        "name": label(answer.name),
        "resources": {
            "infra": where,
            "instance_type": kind,
            **({} if wheel else {"image_id": f"docker:{program.image}"}),
            "use_spot": answer.word("market") == "spot",
            "ports": program.port,
        },
        "num_nodes": program.hosts,
        "secrets": {"HF_TOKEN": None},
        **(
            {"setup": block([f"pip install {shell.quoted(f'{program.package}=={_release(program)}')}"])}
            if wheel
            else {}
        ),
        "run": block(_script(program, joined)),
    }
    if answer.replicas > 1:
        probe = {"path": "/health", "initial_delay_seconds": 3600}
        task = {"name": task.pop("name"), "service": {"readiness_probe": probe, "replicas": answer.replicas}, **task}
    return yaml_text([task])


def _release(program: Program) -> str:
    """Return the version of the package: the image's tag without its `v`."""
    return program.image.rpartition(":")[2].removeprefix("v")


def _script(program: Program, joined: Joined) -> list[str]:
    lines = shell.exports(program)
    if program.hosts == 1:
        return [*lines, *shell.command(program)]
    lines.append('leader="$(echo "$SKYPILOT_NODE_IPS" | head -n1)"')
    first, others = (joined('"$SKYPILOT_NODE_RANK"', '"$leader"', first=first) for first in (True, False))
    return [
        *lines,
        'if [ "$SKYPILOT_NODE_RANK" = 0 ]; then',
        *(f"  {line}" for line in shell.command(program, shell.options(first))),
        "else",
        *(f"  {line}" for line in shell.command(program, shell.options(others))),
        "fi",
    ]
