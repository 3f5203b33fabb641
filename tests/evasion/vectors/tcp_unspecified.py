"""TCP to the unspecified address, which the kernel takes for loopback."""
from way import *


def way():
    return answered(socket.create_connection(("::" if ":" in HOST else "0.0.0.0", PORT)))


told(way)
