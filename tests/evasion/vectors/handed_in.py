"""A socket that was connected, or is raw, and comes from outside the job (SCM_RIGHTS)."""
from way import *


def way():
    giver = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    giver.connect(MORE[0])
    _, descriptors, _, _ = socket.recv_fds(giver, 16, 1)
    given = socket.socket(fileno=descriptors[0])
    if given.type == socket.SOCK_RAW:
        given.sendto(WORD, (HOST, 0))
        return "out"
    given.send(WORD)
    if given.type == socket.SOCK_DGRAM:
        return "out"
    # Longer than the kernel waits before it sends again.
    given.settimeout(1)
    return heard(given)


told(way)
