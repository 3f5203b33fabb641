"""A datagram put together with MSG_MORE: the address is judged at the first part."""
from way import *


def way():
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.sendto(WORD[:2], socket.MSG_MORE, (HOST, PORT))
    udp.sendto(WORD[2:], 0, (HOST, PORT))


told(way)
