"""Ports for the servers of tests: none that an outgoing connection could take before the server does."""

import random
import socket

# Below what Linux gives to connections that go out (net.ipv4.ip_local_port_range).
_FIRST, _LAST = 20_000, 32_000
_CHANCE = random.SystemRandom()  # the same in no two processes, whatever seeds a test


def free_port() -> int:
    """A port on which nobody listens."""
    while True:
        port = _CHANCE.randrange(_FIRST, _LAST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
