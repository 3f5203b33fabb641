"""posix_spawn, which is a vfork, of a program that connects."""
from way import *


def way():
    vector = os.path.join(os.path.dirname(__file__), "tcp4.py")
    child = os.posix_spawn(sys.executable, [sys.executable, vector, *sys.argv[1:]], os.environ)
    os.waitpid(child, 0)
    sys.exit()


told(way)
