"""A new PID namespace, in which it is pid 1."""
from way import *

CLONE_NEWPID = 0x20000000


def way():
    checked(LIBC.unshare(CLONE_NEWPID))
    child = os.fork()
    if child == 0:
        assert os.getpid() == 1
        told(lambda: answered(socket.create_connection((HOST, PORT))))
        os._exit(0)
    os.waitpid(child, 0)
    sys.exit()


told(way)
