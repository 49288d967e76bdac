"""Grammars and parsing live here: problems, repairs, outlines and scopes, and every use of tree-sitter.

Text comes in as plain strings with a language's name, from diagnostics, the offline provider, index and permissions.
Frozen values with code point offsets go out to whoever asked; this room reads no files and starts nothing.
"""
