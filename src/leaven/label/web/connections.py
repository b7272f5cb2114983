"""Connections to the page: whoever says nothing is not waited for, so that nobody without the key can use them all up.

uvicorn has a time limit between two requests only, and its limit on connections counts the silent ones, so that with
them it would refuse the page. What is here beside it: a head that is not whole in time ends its connection; of many
silent connections the oldest one goes. (Requests without the key are answered, and then their connections are closed,
see `security`; an answer or a body may take as long as it likes while it goes on.)
"""

from __future__ import annotations

import asyncio
import socket
from typing import ClassVar

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD = 10.0  # seconds from a connection, or the first byte of a later request, to the end of the request's headers
MANY = 100  # silent connections; macOS lets a process have 256 files open, all told
AT_ONCE = 25  # are taken before any of them is read, so that a browser among them is heard before it is the oldest one
QUEUE = 1024  # that the system keeps until they are taken


class Connection(H11Protocol):
    """uvicorn's, with limits on what goes before a request."""

    silent: ClassVar[dict[Connection, asyncio.TimerHandle]] = {}  # the oldest first; when each of them ends

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A browser, or whoever it is; its request is waited for."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Some bytes: of a head, which has its time; or of a request that is known already."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._heard()
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._heard()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self in self.silent:
            return
        self.silent[self] = self.loop.call_later(HEAD, self._end)
        if len(self.silent) > MANY:
            next(iter(self.silent))._end()

    def _heard(self) -> None:
        if self in self.silent:
            self.silent.pop(self).cancel()

    def _end(self) -> None:
        self._heard()
        self.transport.abort()


class Server(uvicorn.Server):
    """uvicorn's, for which the connections taken at once and those kept in the queue are one number."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(QUEUE)
