"""The study's own nets, many of one shape as one batched net."""
