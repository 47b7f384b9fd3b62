"""A start-up log told by its lines: whose it is, and what it says; a table of `nvidia-smi` beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from planner.startup import llama_cpp, nvidia_smi, sglang, vllm
from planner.startup.reported import Reported, cleaned

MOST = 64 * 2**20
"""So many bytes of a log are read: a start is at its beginning, or behind what was served before a restart."""
READERS = (vllm, sglang, llama_cpp)


class Unread(ValueError):
    """A text that is not a start-up log of an engine that is known, and no table of `nvidia-smi`."""


def decoded(data: bytes) -> str:
    """Return a log's text: UTF-8 or what PowerShell writes (UTF-16); bytes that are no text are left out of sight."""
    for mark, name in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if data.startswith(mark):
            return data[2:].decode(name, "replace").replace("\r\n", "\n")
    return data.decode("utf-8", "replace").replace("\r\n", "\n")


def read(text: str) -> Reported:
    """Return what a log or a table of `nvidia-smi` says; raise Unread where it is neither."""
    if nvidia_smi.is_table(text):
        try:
            return nvidia_smi.read(text)
        except ValueError as reason:
            raise Unread(str(reason)) from None
    text = cleaned(text)
    every = [_last_start(reader.STARTS, reader.read, text) for reader in READERS]
    report = max(every, key=lambda one: one.figures)
    if report.figures:
        return report
    failed = next((one for one in every if one.failure and one.model), None)
    if failed is not None:
        return failed
    raise Unread("it has no start-up line of vLLM, SGLang or llama.cpp, and no header of an nvidia-smi table")


def _last_start(begins: str, reader: Callable[[str], Reported], text: str) -> Reported:
    """Return what the last start of a log says that says anything."""
    places = [text.rfind("\n", 0, match.start()) + 1 for match in re.finditer(begins, text)]
    for place in dict.fromkeys(reversed(places[1:])):
        last = reader(text[place:])
        if (last.figures or last.failure) and reader(text[:place]).figures:
            return replace(last, notes=("the log has several starts; the last one is read", *last.notes))
    return reader(text)


def of_one_start(texts: Iterable[bytes]) -> tuple[Reported | None, Reported | None]:
    """Return the log and the table of GPUs among some files, either of which may be missing; raise Unread where one is
    neither, or where two are of one kind."""
    log = cards = None
    for data in texts:
        report = read(decoded(data))
        if (log if report.engine else cards) is not None:
            raise Unread(f"it is a second {'log' if report.engine else 'table of GPUs'}; name one of each")
        log, cards = (report, cards) if report.engine else (log, report)
    return log, cards


def meant(given: Mapping[str, Mapping[str, object]], log: Reported | None) -> list[str]:
    """Return which workloads a log may be of, by what is given of each: the only one, those of its engine and model."""
    names = list(given)
    if len(names) > 1 and log is not None:
        engine = [name for name in names if given[name].get("engine") == log.engine]
        model = [name for name in engine if log.model and given[name].get("model") == log.model]
        return model or engine or names
    return names
