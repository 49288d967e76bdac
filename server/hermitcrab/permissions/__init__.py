"""Who may do what: rules, modes, trust, protected names, and one pure function that decides.

Accesses come in from `agent.call`, policies from `config` and `engine`.
Decisions go out, each naming the rule behind it; nothing here asks, runs or writes to a workspace.
"""
