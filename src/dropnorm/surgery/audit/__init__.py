"""A second pair of eyes on a model: rules that look for what dropout and batch norm go wrong with."""
