"""Enters another network namespace, in which the sink is."""
from way import *

CLONE_NEWNET = 0x40000000


def way():
    namespace = os.open(MORE[0], os.O_RDONLY)
    checked(LIBC.setns(namespace, CLONE_NEWNET))
    return answered(socket.create_connection((HOST, PORT)))


told(way)
