"""A connect that does not wait."""
import select

from way import *


def way():
    stream = socket.socket()
    stream.setblocking(False)
    number = stream.connect_ex((HOST, PORT))
    if number not in (0, errno.EINPROGRESS):
        raise OSError(number, "connect")
    select.select([], [stream], [], PATIENCE)
    number = stream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number:
        raise OSError(number, "connect")
    return answered(stream)


told(way)
