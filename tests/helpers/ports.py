"""Ports of this machine that nobody listens on."""

import socket


def free_ports(count):
    """Numbers; all are held until all are found, so that none comes twice."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [found.getsockname()[1] for found in sockets]
    for found in sockets:
        found.close()
    return ports
