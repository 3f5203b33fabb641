"""TCP in the name of an address that is not its own (IP_TRANSPARENT, IP_FREEBIND)."""
from way import *

IP_TRANSPARENT, IP_FREEBIND = 19, 15


def way():
    stream = socket.socket()
    stream.setsockopt(socket.IPPROTO_IP, IP_TRANSPARENT, 1)
    stream.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
    stream.bind(("127.8.8.8", 0))
    stream.connect((HOST, PORT))
    return answered(stream)


told(way)
