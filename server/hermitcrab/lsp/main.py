"""Serving: one client on stdio, or any number on a Unix socket, all on one engine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pygls.protocol import default_converter

from hermitcrab.lsp.host import BuildEngine, Host
from hermitcrab.lsp.server import connection
from hermitcrab.lsp.transport import serve_stdio, serve_unix


async def serve(
    build: BuildEngine, *, command_line: Mapping[str, Any], socket: str | None = None, log_file: str | None = None
) -> int:
    """Serve until the editor leaves (stdio) or we are stopped (socket); return the exit code."""
    logging.basicConfig(
        filename=log_file,
        level=logging.INFO if log_file else logging.WARNING,
        format="%(asctime)s %(name)s %(message)s",
    )
    host = Host(build, command_line)
    try:
        if socket is None:
            return await serve_stdio(lambda: connection(host))
        converter = default_converter()
        server = await serve_unix(lambda: connection(host, converter), Path(socket))
        async with server:
            await _until_stopped()
        return 0
    finally:
        await host.close()


async def _until_stopped() -> None:
    import signal

    stopped = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    await stopped.wait()
