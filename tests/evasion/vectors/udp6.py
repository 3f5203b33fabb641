"""A datagram over IPv6."""
from way import *


def way():
    socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(WORD, (HOST, PORT))


told(way)
