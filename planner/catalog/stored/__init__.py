"""Checkpoints as they are stored: headers of safetensors and GGUF files, and their tensors."""
