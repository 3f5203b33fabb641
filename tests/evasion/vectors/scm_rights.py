"""A socket that was made outside the job and is handed in (SCM_RIGHTS)."""
from way import *


def way():
    giver = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    giver.connect(MORE[0])
    _, descriptors, _, _ = socket.recv_fds(giver, 16, 1)
    given = socket.socket(fileno=descriptors[0])
    given.connect((HOST, PORT))
    if given.type == socket.SOCK_DGRAM:
        given.send(WORD)
        return "out"
    return answered(given)


told(way)
