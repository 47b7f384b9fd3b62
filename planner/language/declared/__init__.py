"""What a plan declares of its own: models, GPUs, offers, formats, measurements."""
