"""A child that is born in another cgroup (clone3 with CLONE_INTO_CGROUP)."""
from way import *

CLONE3, INTO_CGROUP, SIGCHLD = 435, 0x200000000, 17


def way():
    cgroup = os.open(MORE[0], os.O_PATH | os.O_DIRECTORY)
    arguments = bytearray(88)
    struct.pack_into("=Q", arguments, 0, INTO_CGROUP)
    struct.pack_into("=Q", arguments, 32, SIGCHLD)
    struct.pack_into("=Q", arguments, 80, cgroup)
    buffer = (ctypes.c_char * 88).from_buffer(arguments)
    child = checked(LIBC.syscall(ctypes.c_long(CLONE3), buffer, ctypes.c_size_t(88)))
    if child == 0:
        told(lambda: answered(socket.create_connection((HOST, PORT))))
        os._exit(0)
    os.waitpid(child, 0)
    sys.exit()


told(way)
