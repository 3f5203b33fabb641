"""Not a vector: listens for whoever comes from outside, and gives them the word.

`listens.py - 0 WORD tcp|udp`: prints its port; then `out`, or the errno that the word ended with.
"""
import select

from way import *


def way():
    kind = socket.SOCK_STREAM if MORE[0] == "tcp" else socket.SOCK_DGRAM
    made = socket.socket(socket.AF_INET, kind)
    made.bind(("0.0.0.0", 0))
    made.settimeout(PATIENCE)
    if kind == socket.SOCK_DGRAM:
        print(made.getsockname()[1], flush=True)
        _, peer = made.recvfrom(64)
        made.sendto(WORD, peer)
        return "out"
    made.listen()
    print(made.getsockname()[1], flush=True)
    # Whoever started it closes standard input when nobody could come in.
    readable, _, _ = select.select([made, sys.stdin], [], [], PATIENCE)
    if made not in readable:
        return "nobody"
    made.accept()[0].sendall(WORD)
    return "out"


told(way)
