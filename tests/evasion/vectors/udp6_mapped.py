"""An IPv6 UDP socket to a v4-mapped address."""
from way import *


def way():
    socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(WORD, (mapped(), PORT))


told(way)
