"""Calls itself something else, in /proc/PID/comm and in /proc/PID/cmdline, and connects."""
from way import *

PR_SET_NAME = 15


def way():
    LIBC.prctl(ctypes.c_int(PR_SET_NAME), ctypes.c_char_p(b"psql"), 0, 0, 0)
    with open("/proc/self/cmdline", "rb") as file:
        length = len(file.read())
    with open("/proc/self/stat") as file:
        # arg_start, field 48 of proc_pid_stat(5)
        start = int(file.read().rsplit(")", 1)[1].split()[45])
    ctypes.memset(start, 0, length)
    ctypes.memmove(start, b"psql", min(4, length))
    with open("/proc/self/cmdline", "rb") as file:
        if not file.read().startswith(b"psql"):
            raise Cannot("it keeps its name")
    return answered(socket.create_connection((HOST, PORT)))


told(way)
