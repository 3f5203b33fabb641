"""TCP whose data is sent without a copy (MSG_ZEROCOPY)."""
from way import *

SO_ZEROCOPY, MSG_ZEROCOPY = 60, 0x4000000


def way():
    stream = socket.create_connection((HOST, PORT))
    stream.settimeout(PATIENCE)
    stream.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
    stream.send(WORD, MSG_ZEROCOPY)
    return heard(stream)


told(way)
