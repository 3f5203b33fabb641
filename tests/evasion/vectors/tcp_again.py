"""Connects, disconnects with AF_UNSPEC, connects the same socket again."""
from way import *


def way():
    stream = socket.socket()
    stream.connect((HOST, PORT))
    checked(LIBC.connect(stream.fileno(), bytes(16), 16))
    stream.connect((HOST, PORT))
    return answered(stream)


told(way)
