"""Two datagrams in one call: the first to the resolver's port, the second to the sink."""
from way import *


class Vec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_char_p), ("length", ctypes.c_size_t)]


class Message(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p), ("name_length", ctypes.c_uint32),
        ("vec", ctypes.POINTER(Vec)), ("vec_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int), ("padding", ctypes.c_int), ("sent", ctypes.c_uint32),
    ]


def message(target):
    vec = Vec(WORD, len(WORD))
    return Message(target, len(target), ctypes.pointer(vec), 1, None, 0, 0, 0, 0)


def way():
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    messages = (Message * 2)(message(address4(port=53)), message(address4()))
    sent = checked(LIBC.sendmmsg(udp.fileno(), messages, 2, 0))
    # Of the second the kernel tells only that it was not sent; once more, for its errno.
    if sent < 2:
        checked(LIBC.sendmmsg(udp.fileno(), ctypes.byref(messages[1]), 1, 0))


told(way)
