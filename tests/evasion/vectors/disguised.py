"""A program whose file is not what a rule allows, which puts one in its place that is.

`disguised.py HOST PORT WORD CASE TOOL GOOD`: executes TOOL, which is a Python of its own; what it does
then is the case. GOOD is another, of the same size.
"""
from way import *


def whole(path):
    with open(path, "rb") as file:
        return file.read()


def itself(tool, *case):
    """The command line of this script by another Python."""
    return [tool, "-B", os.path.abspath(__file__), *sys.argv[1:4], *case]


def begun():
    """A connection that is asked for, and not waited for."""
    stream = socket.socket()
    stream.setblocking(False)
    return begin(stream)


def begin(stream):
    outcome = stream.connect_ex((HOST, PORT))
    if outcome not in (0, errno.EINPROGRESS):
        raise OSError(outcome, os.strerror(outcome))
    return stream


def plain(*_):
    return answered(socket.create_connection((HOST, PORT)))


def renamed_over(tool, good):
    os.rename(good, tool)
    return plain()


def linked_over(tool, good):
    os.unlink(tool)
    os.link(good, tool)
    return plain()


def goes_on_as_the_good_one(_, good):
    stream = begun()
    stream.set_inheritable(True)
    os.execv(good, itself(good, "of_another", str(stream.fileno())))


def of_another(number):
    """The connection that was begun before."""
    return answered(socket.socket(fileno=int(number)))


def connects_and_ends(number, *_):
    begin(socket.socket(fileno=int(number))).detach()
    os._exit(0)


def ended_and_overwritten(tool, good):
    """By another program, which has the connection from it: nobody runs the file any more."""
    stream = socket.socket()
    stream.set_inheritable(True)
    child = os.fork()
    if child == 0:
        stream.setblocking(False)
        os.execv(tool, itself(tool, "connects_and_ends", str(stream.fileno())))
    os.waitpid(child, 0)
    content = whole(good)
    with open(tool, "r+b") as file:
        file.write(content)
    return answered(stream)


def way():
    case, *more = MORE
    if case == "ended_and_overwritten" or "DISGUISED" in os.environ:
        os.environ |= {"DISGUISED": "1", "PYTHONHOME": "/usr"}
        return globals()[case](*more)
    os.environ |= {"DISGUISED": "1", "PYTHONHOME": "/usr"}
    os.execv(more[0], itself(more[0], case, *more))


told(way)
