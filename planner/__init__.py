"""The cheapest hardware a model provably fits on: a plan language and a solver."""

__version__ = "0.1.0"
