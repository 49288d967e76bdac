"""The honest fallback lives here: a provider made of rules, used when no model is configured.

Prompts come in from the turn like for any model; tools are called and permissions asked through the same loop.
Tool calls and plain words go out; it never claims what a check has not shown, and says that it is no language model.
"""
