"""An answer as one HTML page with pictures."""
