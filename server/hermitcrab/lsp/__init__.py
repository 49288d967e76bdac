"""The door for editors: the Language Server Protocol over stdio or a Unix socket, on pygls with our own transport.

Frames come in from editors; each becomes one call on the engine, made by a handler of this room.
Replies, notifications and questions go out to the editor they are for, through an outbox that never waits for it.
"""
