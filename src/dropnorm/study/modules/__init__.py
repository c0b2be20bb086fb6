"""A user's own PyTorch network, made by a factory, as an arm of a study."""
