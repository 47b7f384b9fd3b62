"""The catalogs: GPUs, offers, models, formats, engines and measured quality."""
