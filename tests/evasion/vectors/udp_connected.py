"""A connected UDP socket."""
from way import *


def way():
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.connect((HOST, PORT))
    udp.send(WORD)


told(way)
