"""A raw socket by io_uring, which a seccomp filter on socket() would not see."""
import runpy

from way import *

module = runpy.run_path(os.path.join(os.path.dirname(__file__), "io_uring.py"), run_name="io_uring")


def way():
    raw = module["Ring"]().run(module["OP_SOCKET"], socket.AF_INET, length=PORT, offset=socket.SOCK_RAW)
    socket.socket(fileno=raw).sendto(WORD, (HOST, 0))


told(way)
