"""A UDP socket that asks the resolver, disconnects with AF_UNSPEC and connects elsewhere."""
from way import *


def way():
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.connect((HOST, 53))
    checked(LIBC.connect(udp.fileno(), bytes(16), 16))
    udp.connect((HOST, PORT))
    udp.send(WORD)


told(way)
