"""Speaks with models: one module per vendor's wire, and models that need no vendor (rules, scripts).

In come prompts in nobody's words from the agent, with keys and endpoints as options.
Out go the parts of one reply as they stream, blocks whole and verbatim, or an error that says what would help.
"""
