"""A client of our own server, for newcomers: a sample project, problems made by seed, and the fixes shown.

A seed or a folder comes in from `cli`.
What an editor would see goes out to the terminal; the server is a process of its own, started as an editor would.
"""
