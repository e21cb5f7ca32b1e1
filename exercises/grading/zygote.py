"""Inside the sandbox: a Python that has imported torch and the graded library, and forks one child a submission.

`sandbox.py` starts this file as a program within bubblewrap; it needs nothing of the repository. Three processes:

* the zygote imports, waits for requests and forks. It never runs a line of a submission, and it knows no secret.
* the guardian (one a submission) makes namespaces of its own (user, mount, pid, ipc, network, host name) and watches
  all that lives in them: memory, number of processes, orders from outside. It never runs a line of a submission.
* the learner is process 1 of these namespaces: when it ends or is killed, the kernel kills all that it started.
  It has private /tmp, /home/student, /dev/shm and /proc, no capability, limits, and a filter on system calls.

Messages are a length (4 bytes) and JSON, over a socket of the submission's own. What the learner's side says is only
taken as data by `batch.py`: a submission can write to that socket whatever it likes.
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import time

MIME = "application/x-probe+json"
MAX_FRAME = 32 << 20  # bytes that this side takes: only ever from the grader
HOME = "/home/student"
POLL = 0.05  # seconds between two looks of the guardian

CLONE = {"NEWNS": 0x20000, "NEWCGROUP": 0x2000000, "NEWUTS": 0x4000000, "NEWIPC": 0x8000000, "NEWUSER": 0x10000000,
         "NEWPID": 0x20000000, "NEWNET": 0x40000000}
NAMESPACES = sum(CLONE.values())
MS = {"RDONLY": 1, "NOSUID": 2, "NODEV": 4, "NOEXEC": 8}
PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_SECUREBITS, PR_SET_NO_NEW_PRIVS = 4, 22, 24, 28, 38

# System calls that no exercise needs: other namespaces and mounts, other processes' memory, kernel memory that is in
# nobody's account, and large surfaces of the kernel. (x86-64, aarch64); `None` where one has no such call.
DENIED = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "pidfd_getfd": (438, 438),
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "semget": (64, 190),
    "msgget": (68, 186), "mq_open": (240, 180), "vmsplice": (278, 75), "add_key": (248, 217),
    "request_key": (249, 218), "keyctl": (250, 219), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "kexec_load": (246, 104), "personality": (135, 92),
    "sched_setaffinity": (203, 122),
}
CLONE_CALL, CLONE3, SOCKET = (56, 220), 435, (41, 198)
FAMILIES = (1, 2, 10, 16)  # local, IPv4, IPv6, netlink: all of them end in the empty network namespace
MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}

libc = ctypes.CDLL(None, use_errno=True)


def call(name, *args):
    """A function of libc; raises OSError where it fails."""
    if getattr(libc, name)(*args) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def prctl(option, *args):
    call("prctl", option, *(ctypes.c_ulong(one) for one in (*args, 0, 0, 0, 0)[:4]))


# ------------------------------------------------------------------------------------------------- messages

def write_frame(fd, message):
    """Send one message."""
    data = json.dumps(message).encode()
    data = struct.pack(">I", len(data)) + data
    while data:
        data = data[os.write(fd, data):]


def read_frame(fd):
    """Take one message; `None` where the other side has closed."""
    head = _read(fd, 4)
    if head is None:
        return None
    size = struct.unpack(">I", head)[0]
    if size > MAX_FRAME:
        raise ValueError("a message is too long")
    body = _read(fd, size)
    return None if body is None else json.loads(body)


def _read(fd, size):
    parts = b""
    while len(parts) < size:
        part = os.read(fd, size - len(parts))
        if not part:
            return None
        parts += part
    return parts


# ------------------------------------------------------------------------------------------------- walls

def own_namespaces():
    """New user, mount, pid, ipc, network and host-name namespaces; the next fork is process 1 of them."""
    uid, gid = os.getuid(), os.getgid()
    call("unshare", NAMESPACES)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123  (no pathlib after the fork)
            file.write(text)


def private_folders(sizes):
    """Fresh /proc and empty /tmp, home and /dev/shm of limited size: to be called by process 1 of the namespaces."""
    call("mount", b"none", b"/", None, 0x44000, None)  # private, with all below it
    call("mount", b"proc", b"/proc", b"proc", MS["NOSUID"] | MS["NODEV"] | MS["NOEXEC"], None)
    for path, size in sizes.items():
        options = f"size={size},nr_inodes=20000,mode=700".encode()
        call("mount", b"tmpfs", path.encode(), b"tmpfs", MS["NOSUID"] | MS["NODEV"], options)
    call("mount", b"tmpfs", b"/dev/pts", b"tmpfs", MS["RDONLY"], b"size=4k")
    call("sethostname", b"student", 7)


def no_capabilities():
    """Give up every capability, also those that a program could bring back."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    for number in range(64):
        if libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(number), 0, 0, 0) != 0:
            break
    header = struct.pack("Ii", 0x20080522, 0)
    call("capset", header, bytes(24))


def filter_calls():
    """Refuse the system calls of `DENIED`, new namespaces by clone, and sockets that leave the network namespace.

    Returns
        Whether there is a filter for this machine's processor.
    """
    if os.uname().machine not in MACHINES:
        return False
    arch, column = MACHINES[os.uname().machine]
    load, equal, above, both, back = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, deny, unknown, kill = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000  # EPERM; ENOSYS
    lines = [(load, 0, 0, 4), (equal, 1, 0, arch), (back, 0, 0, kill), (load, 0, 0, 0)]
    if not column:  # the second numbering of x86-64 would pass by the list
        lines += [(above, 0, 1, 0x40000000), (back, 0, 0, deny)]
    for numbers in DENIED.values():
        lines += [(equal, 0, 1, numbers[column]), (back, 0, 0, deny)]
    lines += [(equal, 0, 1, CLONE3), (back, 0, 0, unknown)]  # its flags are out of sight; libc then takes clone
    lines += [(equal, 0, 4, CLONE_CALL[column]), (load, 0, 0, 16), (both, 0, 1, NAMESPACES), (back, 0, 0, deny),
              (back, 0, 0, allow)]
    lines += [(equal, 0, 2 + len(FAMILIES), SOCKET[column]), (load, 0, 0, 16)]
    lines += [(equal, len(FAMILIES) - k, 0, family) for k, family in enumerate(FAMILIES)]
    lines += [(back, 0, 0, deny), (back, 0, 0, allow)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(lines), ctypes.addressof(program)))
    prctl(PR_SET_SECCOMP, 2, ctypes.addressof(head))
    return True


def set_limits(limits):
    """The limits of every process of the submission; they bind it and cannot be raised again."""
    space = int(_status("/proc/self/status").get("VmSize", 0)) * 1024 + limits["address_space"]
    for name, value in (("AS", space), ("FSIZE", limits["file"]), ("NOFILE", 256), ("CORE", 0), ("MSGQUEUE", 0),
                        ("NPROC", limits["processes"]), ("CPU", limits["cpu"]), ("MEMLOCK", 1 << 16), ("RTPRIO", 0)):
        with contextlib.suppress(ValueError):  # a limit of the machine that is lower already
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))


def _status(path):
    """Numbers of a /proc/PID/status, in KiB where they are memory."""
    with open(path) as file:  # noqa: PTH123
        return {key: value.split()[0] for key, _, value in (line.partition(":") for line in file) if value.split()}


# ------------------------------------------------------------------------------------------------- guardian

def guard(fd, learner, limits, nested):
    """Watch the processes of a submission until the learner ends; obey `i` (interrupt), `w` (tell how long it was kept
    waiting: {"waited": seconds}) and `k` (kill) from outside.

    Sends one message at the end: {"end": "left" | "killed" | "memory" | "processes", "status": wait status}.
    """
    end = "left"
    while True:
        done, status = os.waitpid(learner, os.WNOHANG)
        if done:
            break
        ready, _, _ = select.select([fd], [], [], POLL)
        if ready:
            order = os.read(fd, 1)
            if order == b"i":
                os.kill(learner, signal.SIGINT)
                continue
            if order == b"w":
                write_frame(fd, {"waited": _waited(1 if nested else learner)})
                continue
            end = "killed"
        elif why := _over(limits, nested):
            end = why
        else:
            continue
        os.kill(learner, signal.SIGKILL)
        _, status = os.waitpid(learner, 0)
        break
    with contextlib.suppress(OSError):
        write_frame(fd, {"end": end, "status": status})


def _waited(learner):
    """Seconds for which the learner was ready to run and the processor ran others; 0 where Linux keeps no count."""
    try:
        with open(f"/proc/{learner}/schedstat") as file:  # noqa: PTH123
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def _over(limits, nested):
    """Which limit the processes of a submission exceed together, or ""."""
    memory = tasks = 0
    mine = {1, os.getpid(), os.getppid()} if not nested else set()
    for name in os.listdir("/proc"):  # noqa: PTH208  (of the namespace: whatever the submission started, nothing else)
        if not name.isdigit() or int(name) in mine:
            continue
        try:
            found = _status(f"/proc/{name}/status")
        except OSError:
            continue
        memory += 1024 * (int(found.get("RssAnon", 0)) + int(found.get("RssShmem", 0)))
        tasks += int(found.get("Threads", 1))
    return "memory" if memory > limits["memory"] else "processes" if tasks > limits["processes"] * 3 // 4 else ""


def child(learner_fd, guard_fd, limits, nested, work=None):
    """The guardian's life, in a fork of the zygote. It never returns."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        prctl(PR_SET_DUMPABLE, 1)  # or /proc/self would be root's
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        low, high = sorted((learner_fd, guard_fd))
        for first, last in ((3, low), (low + 1, high), (high + 1, 4096)):
            os.closerange(first, last)
        if limits.get("cpu_number") is not None:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, {limits["cpu_number"]})
        if nested:
            own_namespaces()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(guard_fd)
                os.setsid()
                if nested:
                    private_folders(limits["folders"])
                set_limits(limits)
                os.nice(5)
                with open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
                    file.write("1000")
                os.chdir(HOME)
                no_capabilities()
                filter_calls()
                (work or learn)(learner_fd)
                os._exit(0)
            except BaseException as error:
                with contextlib.suppress(BaseException):
                    write_frame(learner_fd, {"failed": str(error)[:300]})
            finally:
                os._exit(1)
        prctl(PR_SET_DUMPABLE, 0)
        os.close(learner_fd)
        guard(guard_fd, pid, limits, nested)
    except BaseException as error:
        with contextlib.suppress(BaseException):
            write_frame(guard_fd, {"end": "failed", "status": 0, "why": str(error)[:300]})
    finally:
        os._exit(0)


# ------------------------------------------------------------------------------------------------- learner

class Shell:
    """What `get_ipython()` gives: magics that time or capture run their body; every other one is ignored."""

    def __init__(self, space):
        self.user_ns = space

    def run_line_magic(self, name, line, *args, **kwargs):
        if name in ("time", "timeit", "prun"):
            exec(compile(transformed(line), f"<%{name}>", "exec"), self.user_ns)

    def run_cell_magic(self, name, line, body):
        if name in ("time", "timeit", "capture", "prun"):
            exec(compile(transformed(body), f"<%%{name}>", "exec"), self.user_ns)

    def magic(self, line):
        self.run_line_magic(*[*line.split(None, 1), "", ""][:2])

    def system(self, *args, **kwargs):
        """Commands of the shell are not run."""

    getoutput = getpipe = system

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: None


def transformed(source):
    """A cell's text as Python: magics, `!` and `?` become calls of `get_ipython()`."""
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager().transform_cell(source)


def learn(fd):
    """Run a submission's cells as the grader sends them, then the hidden cells, and send what these display."""
    import builtins
    import io
    import linecache
    import types

    import IPython
    from IPython.core import display_functions
    from IPython.display import display as _  # noqa: F401  (so that the module is there to be changed)

    main = types.ModuleType("__main__")
    sys.modules["__main__"], space = main, main.__dict__
    shown, busy = [], [False]

    def display(*objects, raw=False, **kwargs):
        shown.extend(one[MIME] for one in objects if raw and isinstance(one, dict) and MIME in one)

    def interrupted(number, frame):
        if busy[0]:
            raise KeyboardInterrupt

    shell = Shell(space)
    IPython.display.display = display_functions.display = IPython.core.display.display = display
    IPython.get_ipython = builtins.get_ipython = lambda: shell
    builtins.display = display
    space["display"] = display
    signal.signal(signal.SIGINT, interrupted)
    sys.stdin = open("/dev/null")  # noqa: PTH123, SIM115
    sys.stdout = sys.stderr = io.TextIOWrapper(io.FileIO(1, "w"), write_through=True)
    sys.argv = [""]
    while (order := read_frame(fd)) is not None:
        label, source = order["label"], order["source"]
        shown.clear()
        error = None
        try:
            busy[0] = True
            text = transformed(source)
            linecache.cache[label] = (len(text), None, text.splitlines(True), label)
            exec(compile(text, label, "exec"), space)
        except BaseException as problem:
            error = _said(problem)
        finally:
            busy[0] = False
        write_frame(fd, {"of": order["of"], "error": error, "shown": list(shown)[:3]})


def _said(problem):
    """An exception in a few words."""
    try:
        return f"{type(problem).__name__}: {' '.join(str(problem).split())}"[:200]
    except BaseException:
        return "an error without a text"


# ------------------------------------------------------------------------------------------------- zygote

def prepare():
    """Import what every submission needs, without starting a thread."""
    import importlib
    import pkgutil

    import IPython.core.inputtransformer2
    import IPython.display  # noqa: F401
    import matplotlib
    import torch

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    torch.set_num_threads(1)
    import vae_lib

    for module in pkgutil.iter_modules(vae_lib.__path__):
        if module.name != "__main__":
            with contextlib.suppress(Exception):  # one that wants what the sandbox lacks
                importlib.import_module(f"vae_lib.{module.name}")
    from vae_lib.exercises import probing  # noqa: F401

    weight = torch.nn.Parameter(torch.zeros(1))
    weight.grad = torch.zeros(1)
    torch.optim.Adam([weight]).step()  # the first step imports much; no backward: its threads do not survive a fork
    plt.close(plt.figure())
    transformed("%matplotlib inline\n")


def stand(limits):
    """Whether a child can have namespaces of its own here: try it. Returns "" or why not."""
    mine, theirs = socket.socketpair()
    learner, guardian = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        child(theirs.fileno(), guardian.fileno(), limits, True, lambda fd: write_frame(fd, {"pid": os.getpid()}))
    theirs.close(), guardian.close()
    os.waitpid(pid, 0)
    mine.settimeout(5)
    try:
        told = read_frame(mine.fileno())
        end = read_frame(learner.fileno())
        return "" if told == {"pid": 1} else str((told or {}).get("failed") or (end or {}).get("why", "it ended"))
    except (OSError, ValueError) as error:
        return str(error)
    finally:
        mine.close(), learner.close()


def main(fd, hidden):
    """Prepare, tell what is so here, then fork a child for each request that arrives with its two sockets."""
    control = socket.socket(fileno=fd)
    prctl(PR_SET_DUMPABLE, 0)
    began = time.monotonic()
    prepare()
    limits = read_frame(fd)
    why = stand(limits) if limits.pop("nested", True) else "asked not to"
    write_frame(fd, {"ready": round(time.monotonic() - began, 2), "nested": not why, "why": why, "uid": os.getuid(),
                     "seen": [path for path in hidden if os.path.lexists(path)],
                     "machine": os.uname().machine, "filter": os.uname().machine in MACHINES})
    import gc

    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        try:
            data, fds, _, _ = socket.recv_fds(control, 4096, 2)
        except InterruptedError:
            continue
        if not data:
            return
        if os.fork() == 0:
            child(*fds, limits | json.loads(data), not why)
        for one in fds:
            os.close(one)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
