"""Data in the SYN: sendto with MSG_FASTOPEN instead of connect."""
from way import *


def way():
    stream = socket.socket()
    stream.sendto(WORD, socket.MSG_FASTOPEN, (HOST, PORT))
    stream.settimeout(PATIENCE)
    return heard(stream)


told(way)
