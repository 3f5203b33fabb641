"""TCP over IPv6 (leash: everything that is not IPv4 passes)."""
from way import *


def way():
    stream = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    stream.connect((HOST, PORT))
    return answered(stream)


told(way)
