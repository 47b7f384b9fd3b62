"""Expressions: typed, lowered, evaluated, and as rows of a solver."""
