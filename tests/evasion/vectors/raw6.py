"""A raw IPv6 packet of an experimental protocol."""
from way import *


def way():
    socket.socket(socket.AF_INET6, socket.SOCK_RAW, PORT).sendto(WORD, (HOST, 0))


told(way)
