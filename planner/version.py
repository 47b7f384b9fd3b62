"""The version of the program, which locks, findings and caches name."""

__version__ = "0.2.0"
