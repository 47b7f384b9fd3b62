"""Candidates as columns: the table of a workload, its units, and rules over whole columns."""
