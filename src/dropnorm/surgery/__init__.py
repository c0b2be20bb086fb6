"""Existing models: dropout and batch norm put in, taken out and folded, and what they say of uncertainty."""
