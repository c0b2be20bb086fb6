"""PyTorch modules: traced, judged, and rewritten on a copy."""
