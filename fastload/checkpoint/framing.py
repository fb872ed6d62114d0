"""Exact numbers of bytes from a socket."""

from __future__ import annotations

import socket


def receive(connection: socket.socket, length: int) -> bytes:
    """Exactly so many bytes.

    Raises:
        EOFError: the other side has ended.
    """
    parts = []
    while length:
        part = connection.recv(min(length, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
