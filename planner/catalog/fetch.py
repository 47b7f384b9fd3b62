"""What a plan needs of a published model, from its repository: configs whole, of weights the headers alone.

The repository is looked up with `huggingface_hub` (the extra `hub`), which knows the endpoint and the token; parts of
files are read here, within bounds.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from urllib.parse import quote

from planner.catalog.huggingface.config import MAX_BYTES
from planner.catalog.prices.network import NetworkError, get
from planner.catalog.stored import gguf_header
from planner.catalog.stored.checkpoint import MAX_HEADER, MAX_SHARDS

REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
"""Names of files that are taken: what lies in a folder of the repository is not."""
CONFIGS = ("config.json", "hf_quant_config.json", "quantize_config.json", "quant_config.json")
INDEX, ONE = "model.safetensors.index.json", "model.safetensors"
RECORD = "fetched.json"
"""The file that says where the others come from."""
FIRST = 2**19
"""Bytes that are asked for first: most headers are shorter."""
_SPLIT = re.compile(r"(.+)-\d{5}-of-(\d{5})\.gguf")


class FetchError(Exception):
    """A model cannot be fetched; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """The files of a model by name, the commit they are of, and the call that reads them in a plan."""

    repository: str
    revision: str
    files: dict[str, bytes]
    call: str
    entry: str


@dataclass(frozen=True, slots=True)
class _Repository:
    """A repository at a commit: the names in it, the address of each, and the headers of a request."""

    name: str
    commit: str
    names: frozenset[str]
    address: Callable[[str], str]
    headers: Mapping[str, str]

    def whole(self, name: str, most: int) -> bytes:
        return get(self.address(name), most, self.headers)

    def part(self, name: str, first: int, last: int) -> bytes:
        try:
            return get(self.address(name), last + 1, self.headers, first, last)
        except NetworkError as problem:
            if problem.status == 416:  # the file ends before
                return b""
            raise


def fetch(
    repository: str,
    revision: str = "main",
    file: str = "",
    endpoint: str = "",
    say: Callable[[str], None] = lambda _name: None,
) -> Fetched:
    """Return what a plan needs of a model; `file` names one of several GGUF files, `say` hears what is read.

    Raise FetchError. Nothing is written.
    """
    if not REPOSITORY.fullmatch(repository) or ".." in repository:
        raise FetchError(f"`{repository[:200]}` is not a repository; write ORG/MODEL")
    if not REVISION.fullmatch(revision) or ".." in revision:
        raise FetchError(f"`{revision[:200]}` is not a revision: a branch, a tag or a commit")
    opened = _found(repository, revision, endpoint)
    try:
        return _read(opened, file, say)
    except NetworkError as problem:
        if problem.status in (401, 403):
            raise FetchError(_gated(repository)) from None
        raise FetchError(str(problem)) from None


def _gated(repository: str) -> str:
    way = "accept its terms on its page, then set HF_TOKEN to a token that may read it"
    return f"{repository} is gated or private: {way}"


def _found(repository: str, revision: str, endpoint: str) -> _Repository:
    try:
        from huggingface_hub import HfApi, errors, hf_hub_url

        build_hf_headers = import_module("huggingface_hub.utils").build_hf_headers  # public, but not by its stubs
    except ImportError:
        raise FetchError("fetching needs huggingface_hub: pip install 'mem-planner[hub]'") from None
    try:
        info = HfApi(endpoint=endpoint or None).model_info(repository, revision=revision, timeout=30)
    except errors.GatedRepoError:
        raise FetchError(_gated(repository)) from None
    except errors.RevisionNotFoundError:
        raise FetchError(f"{repository} has no revision `{revision}`") from None
    except errors.RepositoryNotFoundError:
        way = "check the name; of a private one, set HF_TOKEN to a token that may read it"
        raise FetchError(f"there is no repository {repository}: {way}") from None
    except errors.OfflineModeIsEnabled:
        raise FetchError("HF_HUB_OFFLINE is set: unset it to fetch") from None
    except Exception as problem:  # its transport is another in each release, and raises errors of its own
        if getattr(getattr(problem, "response", None), "status_code", 0) in (401, 403):
            raise FetchError(_gated(repository)) from None
        reason = next(iter(str(problem).splitlines()), "") or type(problem).__name__
        raise FetchError(f"{repository} cannot be looked up: {reason[:200]}") from None
    commit = str(info.sha or "")
    if not re.fullmatch(r"[0-9a-f]{7,64}", commit):
        raise FetchError(f"{repository} does not say which commit `{revision}` is")
    names = frozenset(str(item.rfilename) for item in info.siblings or ())

    def address(name: str) -> str:
        return str(hf_hub_url(repository, quote(name), revision=commit, endpoint=endpoint or None))

    headers = {str(key): str(value) for key, value in build_hf_headers().items() if key.lower() == "authorization"}
    return _Repository(repository, commit, frozenset(filter(SAFE.fullmatch, names)), address, headers)


def _read(repository: _Repository, file: str, say: Callable[[str], None]) -> Fetched:
    files: dict[str, bytes] = {}
    for name in CONFIGS:
        if name in repository.names and not file:
            say(name)
            files[name] = repository.whole(name, MAX_BYTES)
    weights = _weights(repository, file, files, say)
    left = MAX_HEADER
    for name in weights:
        say(f"the header of {name}")
        files[name] = _gguf(repository, name, left) if name.endswith(".gguf") else _safetensors(repository, name, left)
        left -= len(files[name])
    entry = INDEX if INDEX in files else weights[0] if weights else "config.json"
    if entry not in files:
        raise FetchError(f"{repository.name} has neither a config.json nor weights that can be read")
    sums = {name: hashlib.sha256(raw).hexdigest() for name, raw in sorted(files.items())}
    record = {"repository": repository.name, "revision": repository.commit, "headers_only": weights, "sha256": sums}
    files[RECORD] = (json.dumps(record, indent=1) + "\n").encode()
    return Fetched(
        repository.name, repository.commit, files, "config" if entry == "config.json" else "checkpoint", entry
    )


def _weights(repository: _Repository, file: str, files: dict[str, bytes], say: Callable[[str], None]) -> list[str]:
    """Return the files of weights whose headers are read; an index is added to the files."""
    if file:
        if file not in repository.names or not file.endswith((".gguf", ".safetensors")):
            raise FetchError(f"{repository.name} has no file of weights `{file[:200]}`{_among(repository)}")
        return _parts(repository, file)
    if INDEX in repository.names:
        say(INDEX)
        files[INDEX] = repository.whole(INDEX, 2 * MAX_BYTES)
        try:
            shards = sorted(set(json.loads(files[INDEX])["weight_map"].values()))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise FetchError(f"{INDEX} of {repository.name} is not an index") from None
        strange = next((name for name in shards if not isinstance(name, str) or name not in repository.names), None)
        if strange is not None or len(shards) > MAX_SHARDS:
            raise FetchError(f"{INDEX} of {repository.name} names `{str(strange)[:200]}`, which is not beside it")
        return shards
    if ONE in repository.names:
        return [ONE]
    if "config.json" in files:
        return []
    groups = sorted({tuple(_parts(repository, name)) for name in _ggufs(repository)})
    if len(groups) != 1:
        raise FetchError(
            f"{repository.name} has {len(groups) or 'no'} models as GGUF and no config.json{_among(repository)}"
        )
    return list(groups[0])


def _ggufs(repository: _Repository) -> list[str]:
    return sorted(name for name in repository.names if name.endswith(".gguf") and not name.startswith("mmproj"))


def _among(repository: _Repository) -> str:
    names = _ggufs(repository)
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return f"; name one with --file: {shown}" if names else ""


def _parts(repository: _Repository, name: str) -> list[str]:
    """Return all files of the model that one file belongs to."""
    split = _SPLIT.fullmatch(name)
    if split is None:
        return [name]
    names = [f"{split[1]}-{number:05}-of-{split[2]}.gguf" for number in range(1, min(int(split[2]), MAX_SHARDS) + 1)]
    absent = next((each for each in names if each not in repository.names), None)
    if absent is not None:
        raise FetchError(f"{repository.name} lacks `{absent}`, one of the files of `{name}`")
    return names


def _safetensors(repository: _Repository, name: str, most: int) -> bytes:
    """Return the header of a safetensors file, which counts as one whose data is elsewhere."""
    raw = repository.part(name, 0, FIRST - 1)
    length = 8 + int.from_bytes(raw[:8], "little")
    if len(raw) < 8 or length > most:
        raise FetchError(f"{name} of {repository.name} states a header of {length} bytes; {most} can be read")
    if length > len(raw):
        raw += _rest(repository, name, len(raw), length)
    return raw[:length]


def _gguf(repository: _Repository, name: str, most: int) -> bytes:
    """Return the header of a GGUF file without its vocabulary."""
    raw, wanted = b"", FIRST
    while True:
        more = repository.part(name, len(raw), wanted - 1)
        raw += more
        try:
            return gguf_header.alone(raw, gguf_header.parse(raw, 2**62))
        except gguf_header.Short:
            if len(raw) < wanted or wanted >= most:
                raise FetchError(
                    f"{name} of {repository.name} ends within its header, or that is over {most} bytes"
                ) from None
            wanted = min(most, 4 * wanted)
        except gguf_header.BrokenHeader as problem:
            field = f"`{problem.field}` " if problem.field else ""
            raise FetchError(f"{name} of {repository.name}: {field}{problem.reason}") from None


def _rest(repository: _Repository, name: str, first: int, end: int) -> bytes:
    raw = repository.part(name, first, end - 1)
    if len(raw) != end - first:
        raise FetchError(f"{name} of {repository.name} ends within its header")
    return raw


def names_of(files: Iterable[str]) -> str:
    """Return which files there are, in words: configs by name, headers by number."""
    every = sorted(files)
    headers = [name for name in every if name.endswith((".safetensors", ".gguf"))]
    said = [name for name in every if name not in headers]
    return ", ".join([*said, *([f"{len(headers)} header{'s' if len(headers) > 1 else ''}"] if headers else [])])


__all__ = ["RECORD", "FetchError", "Fetched", "fetch", "names_of"]
