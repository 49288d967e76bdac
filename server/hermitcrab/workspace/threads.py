"""Work that does not belong on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_Args = ParamSpec("_Args")
_Result = TypeVar("_Result")

_QUICK = 200_000


async def off_loop(size: int, work: Callable[_Args, _Result], *args: _Args.args, **kwargs: _Args.kwargs) -> _Result:
    """Work on a text: at once when it is small, in a thread when it is large."""
    if size <= _QUICK:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)


async def to_the_end(work: Callable[_Args, _Result], *args: _Args.args, **kwargs: _Args.kwargs) -> _Result:
    """Work in a thread that cannot be stopped halfway; cancelled, wait for it, so that it has no effect afterwards."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
