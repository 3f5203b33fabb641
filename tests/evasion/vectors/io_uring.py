"""socket, connect and send by io_uring: no system call of that name is made."""
import mmap

from way import *

SETUP, ENTER = 425, 426
OP_CONNECT, OP_SEND, OP_RECV, OP_SOCKET = 16, 26, 27, 45
SQ_RING, SQES = 0, 0x10000000
SETUP_SQPOLL, ENTER_GETEVENTS, ENTER_WAKEUP = 2, 1, 2
SQPOLL = SETUP_SQPOLL if "sqpoll" in MORE else 0


class Ring:
    """Eight entries, one in flight."""

    def __init__(self):
        parameters = bytearray(120)
        struct.pack_into("=I", parameters, 8, SQPOLL)
        buffer = (ctypes.c_char * 120).from_buffer(parameters)
        made = LIBC.syscall(ctypes.c_long(SETUP), ctypes.c_uint(8), buffer)
        if made < 0:
            raise Cannot(f"no io_uring: {os.strerror(ctypes.get_errno())}")
        self.fd = made
        entries, completions = struct.unpack_from("=II", parameters, 0)
        (self.head, self.tail, self.mask, _, _, _, self.array) = struct.unpack_from("=7I", parameters, 40)
        (self.done_head, self.done_tail, self.done_mask, _, _, self.done) = struct.unpack_from("=6I", parameters, 80)
        length = max(self.array + entries * 4, self.done + completions * 16)
        flags, access = mmap.MAP_SHARED | mmap.MAP_POPULATE, mmap.PROT_READ | mmap.PROT_WRITE
        self.ring = mmap.mmap(self.fd, length, flags, access, offset=SQ_RING)
        self.entries = mmap.mmap(self.fd, entries * 64, flags, access, offset=SQES)

    def word(self, at):
        return struct.unpack_from("=I", self.ring, at)[0]

    def run(self, operation, fd, address=0, length=0, offset=0):
        """Submits one entry and gives its result."""
        tail = self.word(self.tail)
        index = tail & self.word(self.mask)
        entry = struct.pack("=BBHiQQI", operation, 0, 0, fd, offset, address, length)
        self.entries[index * 64 : index * 64 + 64] = entry.ljust(64, b"\0")
        struct.pack_into("=I", self.ring, self.array + index * 4, index)
        struct.pack_into("=I", self.ring, self.tail, tail + 1)
        flags = ENTER_GETEVENTS | (ENTER_WAKEUP if SQPOLL else 0)
        wait = (ctypes.c_uint(1), ctypes.c_uint(1), ctypes.c_uint(flags), None, ctypes.c_size_t(0))
        checked(LIBC.syscall(ctypes.c_long(ENTER), ctypes.c_int(self.fd), *wait))
        head = self.word(self.done_head)
        slot = self.done + (head & self.word(self.done_mask)) * 16
        (result,) = struct.unpack_from("=i", self.ring, slot + 8)
        struct.pack_into("=I", self.ring, self.done_head, head + 1)
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        return result


def way():
    ring = Ring()
    # The domain is where others have a descriptor, the type is the offset.
    stream = ring.run(OP_SOCKET, socket.AF_INET, length=socket.IPPROTO_TCP, offset=socket.SOCK_STREAM)
    target = ctypes.create_string_buffer(address4(), 16)
    ring.run(OP_CONNECT, stream, ctypes.addressof(target), 0, 16)
    word = ctypes.create_string_buffer(WORD, len(WORD))
    ring.run(OP_SEND, stream, ctypes.addressof(word), len(WORD))
    answer = ctypes.create_string_buffer(16)
    length = ring.run(OP_RECV, stream, ctypes.addressof(answer), 16)
    return "out" if answer.raw[:length] == b"seen" else f"answer {answer.raw[:length]!r}"


if __name__ != "io_uring":
    told(way)
