"""The one dialler: endpoints are checked and dialled here, and nowhere else are sockets or httpx used.

In come addresses, headers and bodies from the rooms that speak a wire, with the environment their connection brought.
Out go bytes as they arrive, and failures named so that a person knows which setting to look at.
"""
