"""What every vector shares: where to go, what to say there, how the outcome is told.

A vector is run as `python3 VECTOR.py HOST PORT WORD [MORE]`. Its last line of output is `out` where
the word went out and came back answered (or was taken by the kernel, for datagrams), the name of
an errno where it did not, or `cannot: REASON` where this kernel has no such thing.
"""

import ctypes
import errno
import os
import socket
import struct
import sys

HOST, PORT, WORD = sys.argv[1], int(sys.argv[2]), sys.argv[3].encode()
MORE = sys.argv[4:]
PATIENCE = 10
LIBC = ctypes.CDLL(None, use_errno=True)


class Cannot(Exception):
    """This kernel has no such thing."""


def told(way):
    """Runs a vector and says what became of it."""
    try:
        outcome = way() or "out"
    except Cannot as error:
        outcome = f"cannot: {error}"
    except socket.timeout:
        outcome = "timeout"
    except OSError as error:
        outcome = errno.errorcode.get(error.errno, str(error))
    print(outcome, flush=True)


def checked(result):
    """The result of a libc call, or its errno as an OSError."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def answered(stream):
    """Says the word on a connected socket, and waits for the sink's answer."""
    stream.settimeout(PATIENCE)
    stream.sendall(WORD)
    return heard(stream)


def heard(stream):
    answer = stream.recv(64)
    return "out" if answer == b"seen" else f"answer {answer!r}"


def address4(host=HOST, port=PORT, family=socket.AF_INET):
    """A sockaddr_in, with whatever family it claims."""
    return struct.pack("=H", family) + struct.pack("!H", port) + socket.inet_aton(host) + bytes(8)


def address6(host=HOST, port=PORT):
    """A sockaddr_in6."""
    packed = struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", port, 0)
    return packed + socket.inet_pton(socket.AF_INET6, host) + bytes(4)


def mapped():
    """The target as an IPv6 host."""
    return f"::ffff:{HOST}"
