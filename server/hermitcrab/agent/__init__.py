"""The loop: ask the model, do what it asked, repeat; every call through one gate, every event into one journal.

A turn comes in from `engine` as a context: provider, tools, rights, journal, history.
Events go out to whoever iterates; effects happen in `tools` only, after `agent.call` let them pass.
"""
