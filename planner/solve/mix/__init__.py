"""One service on several GPU types at once: which configurations there are, how many of each, and what each serves."""
