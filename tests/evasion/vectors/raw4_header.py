"""A raw packet with a header of its own, that is UDP in truth."""
from way import *


def way():
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    udp = struct.pack("!HHHH", 4444, PORT, 8 + len(WORD), 0) + WORD
    source, target = socket.inet_aton("127.0.0.1"), socket.inet_aton(HOST)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0) + source + target
    raw.sendto(header + udp, (HOST, 0))


told(way)
