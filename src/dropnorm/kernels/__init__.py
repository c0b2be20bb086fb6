"""Who computes an operation: one module per backend, the same signatures in each."""
