"""A raw IPv4 packet of an experimental protocol (bullfrog: raw IP)."""
from way import *


def way():
    socket.socket(socket.AF_INET, socket.SOCK_RAW, PORT).sendto(WORD, (HOST, 0))


told(way)
