"""What is wrong in a file, from every source that can say: editor, syntax check, ruff, basedpyright.

A text with its version comes in from the Diagnostics tool and the actions, checked as it is on the screen.
One merged set goes out, each problem with the version it belongs to, each source with what kept it from answering.
"""
