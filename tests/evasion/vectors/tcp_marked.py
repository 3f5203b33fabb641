"""TCP with what routing and firewalls look at set by the job: SO_MARK, SO_PRIORITY, SO_BINDTODEVICE."""
from way import *

SO_MARK, SO_BINDTODEVICE = 36, 25


def way():
    stream = socket.socket()
    stream.setsockopt(socket.SOL_SOCKET, SO_MARK, 0x1F4)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 6)
    stream.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, b"lo\0")
    stream.connect((HOST, PORT))
    return answered(stream)


told(way)
