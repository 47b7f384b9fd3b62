"""Exact quantities and their units."""
