"""The plan that the words of a command line mean: a model, and what is said of it in options."""

from __future__ import annotations

import re

from planner.record import dataclass

CONTEXT = 8192
CONCURRENCY = 1
"""The tokens and sequences that a model is asked about where the command line says neither: one conversation of 8Ki."""
SIZES = (1, 2, 4, 8)
"""GPUs of one host that a model is tried on where the command line does not say how many: what clouds rent."""
PLACE = "the command line"
"""What the plan is called whose text the options make."""
_WORD = re.compile(r"[a-z][a-z0-9_]*")
_COUNT = re.compile(r"(\d[\d_]*(?:\.\d+)?)([kKM]|Ki|Mi)?(?: ?tokens)?")


@dataclass(frozen=True, slots=True)
class Words:
    """What a command line says of a model: `model` is an id, or a call like `config("…")`; texts as they were typed."""

    model: str
    context: str | None = None
    concurrency: str | None = None
    gpu: str | None = None
    gpus: str | None = None
    weights: str | None = None
    kv_cache: str | None = None
    engine: str | None = None
    approximate: bool = False


def plan(words: Words, *, name: str = "chat", longest: int | None = None, objective: bool = True) -> str:
    """Return the text of the plan; raise ValueError with the name of an option that is not a count, and why.

    `longest` is the model's longest context, which bounds the default.
    """
    lines = {
        "model": words.model if words.model == "it" else quoted(words.model),
        "context": f"{count(words.context, 'context') if words.context else standard(longest)} tokens",
        "concurrency": count(words.concurrency, "concurrency") if words.concurrency else str(CONCURRENCY),
    }
    relations = [f"  {key:<11} = {value}" for key, value in lines.items()]
    for key, said in (("gpu", words.gpu), ("weights", words.weights), ("kv_cache", words.kv_cache),
                      ("engine", words.engine)):  # fmt: skip
        if said:
            relations.append(f"  {key:<11} {_offered([_name(part) for part in said.split(',')])}")
    if words.gpus:
        relations.append(f"  {'gpus':<11} {_offered([count(part, 'gpus') for part in words.gpus.split(',')])}")
    elif words.gpu is None:
        relations.append(f"  {'gpus':<11} {_offered(list(map(str, SIZES)))}")
    body = "\n".join(relations)
    return f"edition 2026\n\ninference {name} {{\n{body}\n}}\n" + ("\nminimize cost\n" if objective else "")


def declared(call: str, path: str, approximate: bool = False) -> str:
    """Return the statement that declares the model `it` by a file: `model it = config("…")`."""
    return f"model it = {call}({quoted(path)}{', approximate' if approximate else ''})\n"


def quoted(text: str) -> str:
    """Return a text as a plan writes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def standard(longest: int | None) -> str:
    """Return the tokens of the default context, no more than the model's longest."""
    return spelled(CONTEXT if longest is None else min(CONTEXT, longest))


def spelled(value: int) -> str:
    """Return a count of tokens as plans write it: `8Ki`."""
    return f"{value // 1024}Ki" if value % 1024 == 0 and value else str(value)


def count(text: str, name: str) -> str:
    """Return a count as a plan writes it: `128K` tokens are 128Ki, as serving engines read it; raise ValueError."""
    match = _COUNT.fullmatch(text.strip())
    if match is None:
        example = "8Ki" if name == "context" else "2"
        raise ValueError(f"--{name}", f"invalid count `{text}` (example: {example})")
    scale = match[2] or ""
    return match[1] + ("Ki" if scale == "K" and name == "context" else "k" if scale == "K" else scale)


def _name(text: str) -> str:
    text = text.strip()
    return text if _WORD.fullmatch(text) else quoted(text)


def _offered(values: list[str]) -> str:
    return f"= {values[0]}" if len(values) == 1 else f"in {{{', '.join(values)}}}"


def option(name: str) -> str:
    """Return how the option of a word is typed: `--kv-cache`."""
    return f"--{name.replace('_', '-')}"
