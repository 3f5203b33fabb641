"""Who a process is, by its own account: the ground truth that the recorded lineage is held against.

Each image adds itself to the chain in the environment; each fork adds itself in memory. An entry is
what `sluice sessions list --json` must show for it.
"""
import ctypes
import json
import os
import socket
import struct
import sys

HOST, PORT = os.environ["TRUTH_SINK"].split()
LIBC = ctypes.CDLL(None, use_errno=True)
PYTHON = sys.orig_argv[0]


def cmdline():
    """As the kernel has it now."""
    return open("/proc/self/cmdline", "rb").read().decode().split("\0")[:-1]


def begin(exe=PYTHON):
    """This image, in its chain."""
    chain = json.loads(os.environ.get("TRUTH", "[]"))
    if chain and os.getppid() != chain[-1]["pid"] and os.getpid() != chain[-1]["pid"]:
        # The shell forked before it forked us.
        chain.append(chain[-1] | {"pid": os.getppid(), "how": "fork"})
    chain.append(entry(exe, cmdline(), "exec" if chain else "root"))
    return keep(chain)


def entry(exe, argv, how="exec"):
    return {"pid": os.getpid(), "how": how, "exe": exe, "argv": argv, "cwd": os.getcwd(), "uid": os.geteuid()}


def keep(chain):
    os.environ["TRUTH"] = json.dumps(chain)
    return chain


def forked(chain):
    """The chain of a child that was forked just now."""
    return keep(chain + [chain[-1] | {"pid": os.getpid(), "how": "fork"}])


def fork(chain):
    """Forks: gives 0 and the child's chain, or its pid and ours."""
    child = os.fork()
    return (0, forked(chain)) if child == 0 else (child, chain)


def executes(chain, exe, argv):
    """Becomes a program that cannot say who it is: a shell."""
    if chain[-1]["how"] == "fork" and chain[-1]["pid"] == os.getpid():
        chain = chain[:-1]
    keep(chain + [entry(exe, argv)])
    os.execv(exe, argv)


def without_own_fork():
    """For an exec of ours after a fork: the image takes the fork's place."""
    chain = json.loads(os.environ["TRUTH"])
    if chain[-1]["how"] == "fork" and chain[-1]["pid"] == os.getpid():
        keep(chain[:-1])


def tell(chain, wait=True):
    """Connects and says the chain."""
    stream = socket.create_connection((HOST, int(PORT)))
    stream.sendall(json.dumps(chain).encode() + b"\n")
    if wait:
        stream.settimeout(30)
        assert stream.recv(16) == b"seen"
    return stream
