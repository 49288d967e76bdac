"""One rule a file lives here: missing tokens, names, imports, unused things, the checkers' own fixes.

A problem with the text around it comes in from the plan of a fix; a rule may ask to look into other files first.
A proposal, or the reason why there is none, goes out to the plan, which makes the edit and checks it.
"""
