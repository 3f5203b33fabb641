"""A datagram by sendmsg, in two parts."""
from way import *


def way():
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.sendmsg([WORD[:2], WORD[2:]], [], 0, (HOST, PORT))


told(way)
