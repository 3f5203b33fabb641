"""Multipath TCP."""
from way import *


def way():
    try:
        stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
    except OSError as error:
        if error.errno == errno.EPERM:
            raise
        raise Cannot(f"no MPTCP socket: {error}") from error
    stream.connect((HOST, PORT))
    return answered(stream)


told(way)
