"""The `test` blocks of plans, run."""
