"""Processes of every shape that connect and say who they are: `lineage.py CASE [MORE]`."""
import shutil
import subprocess
import threading

from truth import *

SELF = [PYTHON, "-B", __file__]


def leaf_of_the_root(chain, *_):
    tell(chain)


def leaf(chain, *_):
    tell(chain)


def forks(chain, *_):
    child, chain = fork(chain)
    tell(chain)
    if child:
        os.waitpid(child, 0)


def double_fork(chain, *_):
    reader, writer = os.pipe()
    middle, chain = fork(chain)
    if middle == 0:
        os.setsid()
        own, chain_of_middle = os.getpid(), chain
        grandchild, chain = fork(chain)
        if grandchild:
            os._exit(0)
        while os.getppid() == own:
            pass
        tell(chain)
        os._exit(0)
    os.waitpid(middle, 0)
    os.close(writer)
    os.read(reader, 1)


def clone_vfork(chain, *_):
    """vfork's suspension of the parent, with memory of its own."""
    arguments = bytearray(88)
    struct.pack_into("=Q", arguments, 0, 0x4000)
    struct.pack_into("=Q", arguments, 32, 17)
    buffer = (ctypes.c_char * 88).from_buffer(arguments)
    child = LIBC.syscall(ctypes.c_long(435), buffer, ctypes.c_size_t(88))
    if child == 0:
        tell(forked(chain))
        os._exit(0)
    os.waitpid(child, 0)


def vfork(chain, *_):
    """subprocess is vfork and exec since Python 3.10."""
    subprocess.run([*SELF, "leaf"], check=True)


def posix_spawn(chain, *_):
    os.waitpid(os.posix_spawn(PYTHON, [*SELF, "leaf"], os.environ), 0)


def thread(chain, *_):
    other = threading.Thread(target=tell, args=[chain])
    other.start()
    other.join()


def exec_from_a_thread(chain, *_):
    threading.Thread(target=os.execv, args=[PYTHON, [*SELF, "leaf", "from a thread"]]).start()
    threading.Event().wait()


def fork_from_a_thread(chain, *_):
    other = threading.Thread(target=forks, args=[chain])
    other.start()
    other.join()


def shell(chain, program, script):
    child, chain = fork(chain)
    if child == 0:
        executes(chain, program, [program, "-c", script])
    os.waitpid(child, 0)


def pipeline(chain, *_):
    one = " ".join(SELF)
    shell(chain, "/bin/sh", f"{one} leaf left | {one} leaf right; ({one} leaf below; {one} leaf again); :")


def chains(chain, *_):
    one = " ".join(SELF)
    shell(chain, "/bin/bash", f"{one} nested")


def nested(chain, *_):
    one = " ".join(SELF)
    shell(chain, "/bin/bash", f"{one} leaf 'a b' ''; {one} leaf 'c\\n'")


def exits_at_once(chain, *_):
    children = []
    for _ in range(30):
        child, own = fork(chain)
        if child == 0:
            tell(own, wait=False)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


def execs_at_once(chain, *_):
    """Sends, and is another program before the flow is judged."""
    stream = tell(chain, wait=False)
    os.set_inheritable(stream.fileno(), True)
    os.execv(PYTHON, [*SELF, "leaf", "afterwards"])


def pid_reuse(chain, *_):
    last = "/proc/sys/kernel/ns_last_pid"
    wanted = None
    for number in range(20):
        if wanted:
            with open(last, "w") as file:
                file.write(str(wanted - 1))
        child, own = fork(chain)
        if child == 0:
            if number % 2:
                without_own_fork()
                os.execv(PYTHON, [*SELF, "leaf", str(number)])
            tell(own)
            os._exit(0)
        os.waitpid(child, 0)
        wanted = wanted or child
        print("pid", child, flush=True)


def pid_namespace(chain, *_):
    """Its own pids are other numbers inside; ours are what counts."""
    LIBC.unshare(0x20000000)
    child = os.fork()
    if child == 0:
        outer = int(os.readlink("/proc/self").split("/")[0])
        own = chain + [chain[-1] | {"pid": outer, "how": "fork"}]
        assert os.getpid() == 1
        tell(own)
        os._exit(0)
    os.waitpid(child, 0)


def deep(chain, depth):
    if int(depth) == 0:
        return tell(chain)
    child, chain = fork(chain)
    if child == 0:
        deep(chain, int(depth) - 1)
        os._exit(0)
    os.waitpid(child, 0)


def deep_images(chain, depth):
    if int(depth) == 0:
        return tell(chain)
    os.execv(PYTHON, [*SELF, "deep_images", str(int(depth) - 1)])


def many(chain, count):
    children = []
    for _ in range(int(count)):
        child, own = fork(chain)
        if child == 0:
            tell(own)
            os._exit(0)
        children.append(child)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0


def long_argv(chain, length):
    os.execv(PYTHON, [*SELF, "leaf", "x" * int(length)])


def secret(chain, *_):
    os.execv(PYTHON, [*SELF, "leaf", "--token=" + os.environ["DEPLOY_TOKEN"]])


def shebang(chain, directory):
    script = os.path.join(directory, "deploy.py")
    with open(script, "w") as file:
        file.write(f"#!{PYTHON} -B\nimport sys\nsys.path.insert(0, {os.path.dirname(__file__)!r})\n")
        file.write("import truth\ntruth.tell(truth.begin(__file__))\n")
    os.chmod(script, 0o755)
    subprocess.run([script, "now"], check=True)


def cwd(chain, directory):
    child, chain = fork(chain)
    if child == 0:
        without_own_fork()
        os.chdir(directory)
        os.execv(PYTHON, [*SELF, "leaf"])
    os.waitpid(child, 0)


def relative(chain, directory):
    """Executed by a path with dots in it."""
    inside = os.path.join(directory, "deep", "er")
    os.makedirs(inside)
    shutil.copy(PYTHON, os.path.join(directory, "tool"))
    child, chain = fork(chain)
    if child == 0:
        without_own_fork()
        os.chdir(inside)
        # `.` means nothing; where `..` leads, symbolic links decide, so it stays.
        os.environ["TRUTH_EXE"] = inside + "/../../deep/../tool"
        os.execv("../.././deep/../tool", ["tool", *SELF[1:], "leaf"])
    os.waitpid(child, 0)


def uid(chain, *_):
    child, chain = fork(chain)
    if child == 0:
        without_own_fork()
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        os.execv(PYTHON, [*SELF, "leaf"])
    os.waitpid(child, 0)


def goes_up(chain, directory):
    """A program of ours, by a path that begins like a trusted one."""
    tool = os.path.join(directory, "tool")
    shutil.copy(PYTHON, tool)
    os.execv(f"/usr/bin/../..{tool}", ["tool", *SELF[1:], "attempt"])


def attempt(chain, *_):
    """Whether it gets out."""
    try:
        tell(chain)
        print("out", flush=True)
    except OSError as error:
        print(error.strerror, flush=True)


def deleted(chain, directory):
    copy = os.path.join(directory, "gone")
    shutil.copy(PYTHON, copy)
    child, chain = fork(chain)
    if child == 0:
        without_own_fork()
        program = os.open(copy, os.O_RDONLY)
        os.unlink(copy)
        os.environ["TRUTH_EXE"] = f"/dev/fd/{program}"
        os.set_inheritable(program, True)
        os.execve(program, ["gone", *SELF[1:], "leaf"], os.environ)
    os.waitpid(child, 0)


def memfd(chain, *_):
    child, chain = fork(chain)
    if child == 0:
        without_own_fork()
        program = os.memfd_create("anonymous", 0)
        with open(PYTHON, "rb") as source:
            os.write(program, source.read())
        os.environ["TRUTH_EXE"] = f"/dev/fd/{program}"
        os.execve(program, ["memory", *SELF[1:], "leaf"], os.environ)
    os.waitpid(child, 0)


globals()[sys.argv[1]](begin(os.environ.pop("TRUTH_EXE", PYTHON)), *sys.argv[2:])
