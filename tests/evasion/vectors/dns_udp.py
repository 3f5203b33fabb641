"""A question to a DNS server of its own, with the word as a name."""
from way import *


def question():
    label = bytes([len(WORD)]) + WORD
    return struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + label + b"\x07example\x03com\0\0\x01\0\x01"


def way():
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.settimeout(PATIENCE)
    udp.sendto(question(), (HOST, PORT))
    answer = udp.recv(512)
    return "out" if answer == b"seen" else f"rcode {answer[3] & 15}"


told(way)
