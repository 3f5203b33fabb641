"""Not a vector: runs outside the job, and hands an unconnected socket to whoever dials it.

`giver.py PATH tcp|udp`; says `ready` when it can be dialled.
"""
import socket
import sys

path, kind = sys.argv[1:3]
door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
door.bind(path)
door.listen()
print("ready", flush=True)
while True:
    taker, _ = door.accept()
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    socket.send_fds(taker, [b"x"], [made.fileno()])
