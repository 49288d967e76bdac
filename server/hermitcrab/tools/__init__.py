"""What a model can do: one file per tool, its description beside it.

Calls come in from `agent.call`, parsed and permitted; no tool asks for permission itself.
Results and events go back to it; files change through `workspace`, processes start through `procs`.
"""
