"""What is no DNS, on the port of DNS over TCP."""
from way import *


def way():
    stream = socket.create_connection((HOST, PORT))
    stream.settimeout(PATIENCE)
    stream.sendall(WORD)
    stream.shutdown(socket.SHUT_WR)
    return heard(stream)


told(way)
