"""Ports for servers under test."""

import socket


def free_port() -> int:
    """Ask the operating system for a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
