"""Kubernetes: a Deployment, or a LeaderWorkerSet where a replica spans hosts, and the Service before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from planner.export.around.names import label
from planner.export.documents import yaml_text
from planner.export.engines.program import Option, Program
from planner.export.faults import Unsayable
from planner.export.locked import LockedWorkload

Joined = Callable[..., tuple[Option, ...]]
"""Returns the options of a replica's host, by its rank, the address of the first, and whether it is the first."""
RESOURCES = {"nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu"}
"""The extended resource of each maker's device plugin."""
STARTUP = {"period": 10, "failures": 360}
"""A server is given an hour to fetch and load its weights."""


def faults(answer: LockedWorkload, program: Program) -> list[Unsayable]:
    """Return what of an answer Kubernetes cannot say."""
    if answer.vendor in RESOURCES:
        return []
    reason = f"no device plugin is known here for GPUs of {answer.vendor}"
    return [Unsayable("gpu", reason, f"choose a GPU of {' or '.join(RESOURCES)}")]


def render(answer: LockedWorkload, program: Program, joined: Joined) -> str:
    """Return both documents; the GPUs are asked for by number, a node of the right type is the cluster's to give."""
    name = label(answer.name)
    chosen = {"app.kubernetes.io/name": name}
    if program.hosts > 1:
        chosen = {**chosen, "role": "leader"}
        whole = _group(answer, program, joined, name)
    else:
        whole = _deployment(answer, program, name, chosen)
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": name}},
        "spec": {"selector": chosen, "ports": [{"name": "http", "port": 80, "targetPort": program.port}]},
    }
    return yaml_text([whole, service])


def _deployment(answer: LockedWorkload, program: Program, name: str, labels: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": answer.replicas,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "template": {"metadata": {"labels": labels}, "spec": _pod(answer, program, program.arguments(), True)},
        },
    }


def _group(answer: LockedWorkload, program: Program, joined: Joined, name: str) -> dict[str, Any]:
    """Return a LeaderWorkerSet (lws.sigs.k8s.io): it gives each pod its rank and the leader's address."""
    address = "$(LWS_LEADER_ADDRESS)"
    leader = program.arguments(joined("0", address, first=True))
    worker = program.arguments(joined("$(LWS_WORKER_INDEX)", address, first=False))
    labels = {"app.kubernetes.io/name": name}
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": answer.replicas,
            "leaderWorkerTemplate": {
                "size": program.hosts,
                "restartPolicy": "RecreateGroupOnPodRestart",
                "leaderTemplate": {
                    "metadata": {"labels": {**labels, "role": "leader"}},
                    "spec": _pod(answer, program, leader, True),
                },
                "workerTemplate": {
                    "metadata": {"labels": {**labels, "role": "worker"}},
                    "spec": _pod(answer, program, worker, False),
                },
            },
        },
    }


def _pod(answer: LockedWorkload, program: Program, arguments: list[str], serves: bool) -> dict[str, Any]:
    token = {"secretKeyRef": {"name": "huggingface", "key": "token", "optional": True}}
    health = {"httpGet": {"path": "/health", "port": program.port}}
    container: dict[str, Any] = {
        "name": "server",
        "image": program.image,
        "command": list(program.entry),
        "args": arguments,
        "env": [
            {"name": "HF_TOKEN", "valueFrom": token},
            *({"name": name, "value": value} for name, value in program.environment),
        ],
        "resources": {"limits": {RESOURCES[answer.vendor]: str(program.gpus_per_host)}},
        "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],
    }
    if serves:
        period, failures = STARTUP["period"], STARTUP["failures"]
        container |= {
            "ports": [{"name": "http", "containerPort": program.port}],
            "startupProbe": {**health, "periodSeconds": period, "failureThreshold": failures},
            "readinessProbe": {**health, "periodSeconds": period},
        }
    return {"containers": [container], "volumes": [{"name": "shm", "emptyDir": {"medium": "Memory"}}]}
