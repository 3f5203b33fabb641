"""TCP over IPv4, as everybody does it."""
from way import *


def way():
    return answered(socket.create_connection((HOST, PORT)))


told(way)
