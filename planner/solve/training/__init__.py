"""A training workload: its configurations, memory and speed of each, and its table."""
