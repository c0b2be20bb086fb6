"""Existing Keras models: read as graphs of operations, decided upon by the rules that torch's are, and built anew."""
