"""UDP-Lite."""
from way import *


def way():
    try:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136)
    except OSError as error:
        if error.errno == errno.EPERM:
            raise
        raise Cannot(f"no UDP-Lite socket: {error}") from error
    udp.sendto(WORD, (HOST, PORT))


told(way)
