"""Connects from a thread, after the main thread has ended."""
import threading

from way import *


def way():
    connect = lambda: told(lambda: answered(socket.create_connection((HOST, PORT))))
    threading.Thread(target=connect).start()
    LIBC.syscall(ctypes.c_long(60), ctypes.c_int(0))


told(way)
