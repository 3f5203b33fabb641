"""Makes its socket here, and connects it after it has entered another network namespace."""
from way import *

CLONE_NEWNET = 0x40000000


def way():
    early = socket.socket()
    namespace = os.open(MORE[0], os.O_RDONLY)
    checked(LIBC.setns(namespace, CLONE_NEWNET))
    # The socket stays where it was made; a second one would be made there.
    early.connect((HOST, PORT))
    return answered(early)


told(way)
