"""Documents over disk: what the editors hold, what the files hold, and the one way to change either.

Texts and changes come in from the doors (`lsp`) and from the tools; each session looks through its own `View`.
Texts, confirmed edits and `DocumentChanged` values go out to tools, diagnostics and the engine.
"""
