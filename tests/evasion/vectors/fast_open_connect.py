"""TCP_FASTOPEN_CONNECT: the SYN leaves at the first write."""
from way import *

TCP_FASTOPEN_CONNECT = 30


def way():
    stream = socket.socket()
    stream.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
    stream.connect((HOST, PORT))
    return answered(stream)


told(way)
