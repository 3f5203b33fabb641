"""An IPv6 UDP socket that is given an IPv4 address as such."""
from way import *


def way():
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    target = address4()
    checked(LIBC.sendto(udp.fileno(), WORD, len(WORD), 0, target, len(target)))


told(way)
