"""Every process we start: run to the end or stopped with all it started, the shell, and our own neutralised git.

Command lines come in from `tools`, `diagnostics` and `workspace`, already permitted; each brings its environment along.
What the process said and how it ended goes back to the caller; a process never outlives the call that started it.
"""
