"""The words on the wire: `hermitcrab/*` params, results and updates as pydantic models, and event -> update.

Plain JSON comes in from the doors, events from `engine`.
Checked models go to the handlers, updates to the clients; schema, types and `docs/protocol.md` are generated from here.
"""
