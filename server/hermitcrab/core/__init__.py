"""The words every room shares: messages, events, edits, text, frames, errors, ids and ports, in plain Python.

Nothing comes in: this room imports only the standard library and starts nothing.
Values go out to every other room; they are frozen and trusted once made.
"""
