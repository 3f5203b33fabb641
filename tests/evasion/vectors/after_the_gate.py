"""Not a vector: a job that goes on while its gate is gone.

Connects once, says `ready PID` and the outcome; at a line on standard input it connects again and
again, and prints how many milliseconds after that line the last attempt began that did not end with
EPERM (0: all did), and how many did in the end.
"""
import time

from way import *

ENOUGH, FROM = 20, 1500


def attempt(word):
    try:
        with socket.create_connection((HOST, PORT), timeout=0.2) as stream:
            stream.sendall(word)
            return "out" if stream.recv(16) == b"seen" else "closed"
    except socket.timeout:
        return "timeout"
    except OSError as error:
        return errno.errorcode[error.errno]


print("ready", os.getpid(), attempt(b"word-before"), flush=True)
sys.stdin.readline()
begun, last, refused = time.monotonic(), 0, 0
while refused < ENOUGH or time.monotonic() - begun < FROM / 1000:
    at = time.monotonic()
    outcome = attempt(WORD)
    if outcome == "EPERM":
        refused += 1
    else:
        last, refused = int((at - begun) * 1000) + 1, 0
    if at - begun > 20:
        break
    time.sleep(0.01)
print("last", last, "refused", refused, flush=True)
