"""Hermitcrab: a coding agent that lives in the editor you already have."""

__version__ = "0.1.0"
