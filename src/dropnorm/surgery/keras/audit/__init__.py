"""The audit of Keras models: torch's rules where they have a meaning, with Keras's words, and what only Keras can tell."""
