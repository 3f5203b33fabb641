"""Not a vector: finds the gate's own ports, and dials or binds them.

`gate_ports.py - 0 - dial|bind|wait`: a line for each attempt: what, where, outcome. `wait`
prints the ports (`tcp4 PORT`, ...) and waits for the end of standard input.
"""
from way import *

LISTENS, UNCONNECTED = "0A", "07"
TABLES = {"tcp4": ("tcp", LISTENS), "tcp6": ("tcp6", LISTENS), "udp4": ("udp", UNCONNECTED), "udp6": ("udp6", UNCONNECTED)}


def ports():
    """The ports that the process above us has open: it is the gate."""
    gate = f"/proc/{os.getppid()}/fd"
    inodes = {os.readlink(f"{gate}/{fd}") for fd in os.listdir(gate)}
    for name, (table, state) in TABLES.items():
        for line in open(f"/proc/net/{table}").readlines()[1:]:
            fields = line.split()
            if fields[3] == state and f"socket:[{fields[9]}]" in inodes:
                yield name, int(fields[1].rsplit(":", 1)[1], 16)


def outcome(act, *arguments):
    try:
        act(*arguments)
        return "out"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))


def dial(name, host, port):
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind(name))
    made.settimeout(PATIENCE)
    if name.startswith("udp"):
        made.sendto(b"word", (host, port))
    else:
        made.connect((host, port))


def bind(name, host, port):
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind(name))
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((host, port))
    if name.startswith("tcp"):
        made.listen()


def kind(name):
    return socket.SOCK_STREAM if name.startswith("tcp") else socket.SOCK_DGRAM


HERE = {
    "4": ["127.0.0.1", "127.0.0.2", "127.255.255.254", "0.0.0.0", "::ffff:127.0.0.1", "::ffff:0.0.0.0"],
    "6": ["::1", "::"],
}
BOUND = {"4": ["127.0.0.1", "0.0.0.0"], "6": ["::1", "::"]}

for name, port in sorted(ports()):
    if MORE[0] == "wait":
        print(name, port, flush=True)
        continue
    act, hosts = (dial, HERE) if MORE[0] == "dial" else (bind, BOUND)
    for host in hosts[name[-1]]:
        print(name, host, outcome(act, name, host, port), flush=True)
if MORE[0] == "wait":
    print("ready", flush=True)
    sys.stdin.read()
