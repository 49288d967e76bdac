"""The command line: one file per command, each a door of its own or the way to one.

Arguments come in from the shell.
Text, JSON and exit codes go out (SURFACE); an engine is asked of `app` only by the commands that need one.
"""
