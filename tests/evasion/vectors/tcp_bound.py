"""Binds an address of its own first."""
from way import *


def way():
    stream = socket.socket()
    stream.bind(("127.0.0.77", 0))
    stream.connect((HOST, PORT))
    return answered(stream)


told(way)
