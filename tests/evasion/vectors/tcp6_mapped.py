"""An IPv6 socket to a v4-mapped address."""
from way import *


def way():
    stream = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    stream.connect((mapped(), PORT))
    return answered(stream)


told(way)
