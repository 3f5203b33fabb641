"""A connection, taken out of a process outside the job (pidfd_getfd)."""
from way import *

PIDFD_OPEN, PIDFD_GETFD = 434, 438


def way():
    number = ctypes.c_int
    process = checked(LIBC.syscall(ctypes.c_long(PIDFD_OPEN), number(int(MORE[0])), number(0)))
    taken = LIBC.syscall(ctypes.c_long(PIDFD_GETFD), number(process), number(int(MORE[1])), number(0))
    stream = socket.socket(fileno=checked(taken))
    stream.send(WORD)
    stream.settimeout(1)
    return heard(stream)


told(way)
