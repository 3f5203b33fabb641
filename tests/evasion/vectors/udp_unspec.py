"""A datagram whose address claims AF_UNSPEC, which udp(7) takes for AF_INET."""
from way import *


def way():
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    target = address4(family=socket.AF_UNSPEC)
    checked(LIBC.sendto(udp.fileno(), WORD, len(WORD), 0, target, len(target)))


told(way)
