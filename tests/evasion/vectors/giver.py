"""Not a vector: runs outside the job, and hands a socket to whoever dials it.

`giver.py PATH tcp|udp|raw [HOST PORT]`: with HOST and PORT the socket is connected to them. Says
`ready`, its pid and the descriptor of a first such socket when it can be dialled.
"""
import os
import socket
import sys

path, kind, where = sys.argv[1], sys.argv[2], sys.argv[3:]
KINDS = {"tcp": (socket.SOCK_STREAM, 0), "udp": (socket.SOCK_DGRAM, 0), "raw": (socket.SOCK_RAW, 253)}


def make():
    made = socket.socket(socket.AF_INET, *KINDS[kind])
    if where:
        made.connect((where[0], int(where[1])))
    return made


door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
door.bind(path)
door.listen()
first = make()
print("ready", os.getpid(), first.fileno(), flush=True)
while True:
    taker, _ = door.accept()
    made = make()
    socket.send_fds(taker, [b"x"], [made.fileno()])
