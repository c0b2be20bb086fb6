"""A user's own Keras network, made by a factory, as an arm of a study. Imported where a factory makes one alone."""
