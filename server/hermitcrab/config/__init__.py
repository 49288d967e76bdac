"""The settings in force, gathered from files, command line and client, each key with its origin.

Folders, command lines and client options come in from `engine` and the doors, already trusted or not.
A frozen `Settings` goes out to them; nothing a folder brings can widen what the user set.
"""
