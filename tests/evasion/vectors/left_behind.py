"""Not a vector: a job that ends at once, while a detached grandchild of it goes on to try.

`left_behind.py HOST PORT WORD FILE [CGROUP]`: the grandchild writes its pid to FILE, moves to CGROUP
where one is given, and connects until it is through.
"""
import time

from way import *

if os.fork():
    # The job ends when the grandchild is ready.
    while not os.path.exists(MORE[0]):
        time.sleep(0.01)
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
if len(MORE) > 1:
    with open(f"{MORE[1]}/cgroup.procs", "w") as procs:
        procs.write("0")
with open(f"{MORE[0]}.new", "w") as file:
    file.write(str(os.getpid()))
os.rename(f"{MORE[0]}.new", MORE[0])
for _ in range(2000):
    try:
        if answered(socket.create_connection((HOST, PORT))) == "out":
            break
    except OSError:
        pass
    time.sleep(0.01)
