"""Data in a ping, through a raw socket."""
from way import *


def way():
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    raw.sendto(echo_request(), (HOST, 0))


def echo_request():
    body = struct.pack("!BBHHH", 8, 0, 0, 1, 1) + WORD + bytes(len(WORD) % 2)
    total = sum(struct.unpack(f"!{len(body) // 2}H", body))
    total = (total >> 16) + (total & 0xFFFF)
    total += total >> 16
    return body[:2] + struct.pack("!H", ~total & 0xFFFF) + body[4:]


told(way)
