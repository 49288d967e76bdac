"""The whole: one Engine per process, Workspaces by real root, Sessions in them, one Connection per client.

Requests come in from the doors (`lsp`, `cli`), already translated.
Events go out to each connection's listener; questions go out to its asker, edits to its editor.
"""
