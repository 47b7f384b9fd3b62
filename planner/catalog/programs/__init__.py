"""What serves and what trains: engines and frameworks, their releases, their kernels, and what each lacks."""
