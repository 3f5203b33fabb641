"""A UDP socket that is connected to the resolver's port and then sends elsewhere."""
from way import *


def way():
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.connect((HOST, 53))
    udp.sendto(WORD, (HOST, PORT))


told(way)
