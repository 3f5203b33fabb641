"""Moves itself to the root cgroup, then connects."""
from way import *


def way():
    with open(f"{MORE[0]}/cgroup.procs", "w") as procs:
        procs.write(str(os.getpid()))
    return answered(socket.create_connection((HOST, PORT)))


told(way)
