"""Documents of mappings and lists as YAML: the same bytes for the same document, nothing reordered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class _Text(str):
    """A text of several lines, which stays so in YAML."""

    __slots__ = ()


def block(lines: Iterable[str]) -> str:
    """Return lines as a block of text, as YAML shows a script."""
    return _Text("".join(f"{line}\n" for line in lines))


def yaml_text(documents: Iterable[Mapping[str, Any]]) -> str:
    """Return documents, one below the other."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)  # lists stand further in than their key

        def ignore_aliases(self, data: Any) -> bool:
            return True

    Dumper.add_representer(
        _Text, lambda self, text: self.represent_scalar("tag:yaml.org,2002:str", str(text), style="|")
    )
    return "---\n".join(
        yaml.dump(dict(item), Dumper=Dumper, sort_keys=False, default_flow_style=False, width=10**6, allow_unicode=True)
        for item in documents
    )
