"""Not a vector: dresses this Python up as another program, and runs `tcp4.py` as that.

`in_a_user_namespace.py HOST PORT WORD PATH`: in user and mount namespaces of its own this interpreter
is mounted over PATH, and PATH is executed. It needs no privilege.
"""
from way import *

NEWNS, NEWUSER = 0x20000, 0x10000000
BIND, REC, PRIVATE = 4096, 16384, 1 << 18

path = MORE[0]
script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tcp4.py")
own = os.readlink("/proc/self/exe")
checked(LIBC.unshare(NEWUSER | NEWNS))
checked(LIBC.mount(None, b"/", None, REC | PRIVATE, None))
checked(LIBC.mount(own.encode(), path.encode(), None, BIND, None))
os.execv(path, [path, "-B", script, HOST, str(PORT), WORD.decode()])
