"""An inference workload: what its plan leaves open, memory and speed of each way to run it, and its table."""
