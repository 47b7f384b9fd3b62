"""A program to be started: its image, environment, words and options, before a file has their form."""

from __future__ import annotations

from planner.record import dataclass

Option = tuple[str, str | None]
"""An option with its value, None where it takes none."""


@dataclass(frozen=True, slots=True)
class Program:
    """A server: `image` starts `entry`, which takes `words` and `options`; it listens on `port`, on every address.

    `environment` are variables that change what it allocates. With `hosts` above 1 the program runs once on each of
    them with as many GPUs, and has the options of `joined`. `notes` are for the file's head; `package` is what pip
    installs.
    """

    image: str
    entry: tuple[str, ...]
    words: tuple[str, ...]
    options: tuple[Option, ...]
    environment: tuple[tuple[str, str], ...]
    port: int
    gpus: int
    hosts: int = 1
    notes: tuple[str, ...] = ()
    package: str = ""

    @property
    def gpus_per_host(self) -> int:
        """GPUs of one host."""
        return self.gpus // self.hosts

    def arguments(self, more: tuple[Option, ...] = ()) -> list[str]:
        """Return what stands behind the entry, a word each."""
        out = list(self.words)
        for name, value in (*self.options, *more):
            out += [name] if value is None else [name, value]
        return out
