"""Existing models: dropout and batch norm put in and taken out."""
