"""The walls around a class's code: bubblewrap, started by the grader, and the line to each submission in it.

What binds where:

===========================  ============================================================================
network, other processes     namespaces of bubblewrap, and again of each submission (`zygote.py`)
files                        a read-only view of /usr, this Python and the graded library; not the repository, the
                             class or any home. /tmp, home and /dev/shm are private, empty, and of limited size
user                         uid 1000 without capabilities; where the teacher is root, an unprivileged user outside
                             too, so that limits on processes bind (they do not bind root)
memory                       the address space of each process (a limit of the kernel), and the memory of all processes
                             of a submission together (the guardian looks 20 times a second, and kills)
processes and threads        RLIMIT_NPROC, counted for each submission since Linux 5.14, and the guardian's own count
CPU                          each of the parallel submissions keeps to one core where there are enough
file size, open files, core  limits of the kernel
time                         the grader, outside: an interrupt first, then the end of the whole pid namespace
kernel surface               no_new_privs, and a filter on system calls (x86-64 and aarch64; none on other processors)
===========================  ============================================================================

Where the machine forbids namespaces within namespaces, each submission has a bubblewrap and a Python of its own: as
safe, and slower by the time that torch takes to import.
"""

import contextlib
import json
import os
import select
import shutil
import socket
import struct
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

__all__ = ["LIMITS", "Child", "Closed", "Garbled", "NoSandbox", "Sandbox", "Silent", "put_down"]

NOBODY = 60577  # who runs the sandbox where the teacher is root: no account has this number
LIMITS = {"memory": 3 << 30, "address_space": 6 << 30, "processes": 128, "file": 64 << 20, "cpu": 120,
          "folders": {"/tmp": 256 << 20, "/home/student": 256 << 20, "/dev/shm": 128 << 20}}
MAX_ANSWER = 4 << 20  # bytes of one message from a submission
STARTING = 180  # seconds for torch and the library to be imported
ENDING = 60  # seconds for a killed process to be gone

PREFIX = Path(sys.prefix)


def _inside(path):
    """Where a path of this Python's virtual environment is in the sandbox: not below a folder that is private there."""
    if sys.prefix == sys.base_prefix or not path.is_relative_to(PREFIX):
        return path
    return Path("/python") / path.relative_to(PREFIX)


class NoSandbox(RuntimeError):
    """There is no sandbox on this machine; the message says what to do."""


class Silent(Exception):
    """Nothing complete came within the time."""


class Garbled(Exception):
    """What came is no message, or one that is too long."""


class Closed(Exception):
    """The submission's process has ended."""


class Sandbox:
    """A zygote in bubblewrap; use it in a `with`.

    environment: the folder with the graded `vae_lib`. hidden: paths that must not be seen from inside.
    Raises
        NoSandbox: bubblewrap is missing or does not start here, or one of `hidden` can be seen.
    """

    def __init__(self, environment, hidden=(), limits=None, nested=True):
        self.limits = {**LIMITS, **(limits or {})}
        self.hidden, self.nested = [Path(one).absolute() for one in hidden], nested
        self.environment = Path(environment).absolute()
        self._process = self._control = None
        self.available()

    @staticmethod
    def available():
        """Raises `NoSandbox` where bubblewrap is missing."""
        if not shutil.which("bwrap"):
            raise NoSandbox("submissions run in a sandbox, and bubblewrap is not on this machine: install it with "
                            "`apt-get install bubblewrap` (Debian, Ubuntu) or `dnf install bubblewrap` (Fedora). It "
                            "needs Linux; on another system, grade in a virtual machine")

    def alive(self, seconds=0.0):
        """Whether the zygote runs; one that is about to end is waited for."""
        process = self._process
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process is not None and process.wait(seconds) is None
        return True

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def command(self, fd):
        """The command line of the sandbox; `fd` is the number of the control socket."""
        inside = [str(_inside(Path(sys.executable))), "-s", "-P", "/grader/zygote.py", str(fd), *map(str, self.hidden)]
        here = Path(__file__).with_name("zygote.py")
        root = os.geteuid() == 0
        seen = ("/course", "/grader/zygote.py", _inside(PREFIX)) if root else (self.environment, here, PREFIX)
        walls = [
            *self._folders(*seen), "--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000",
            "--cap-drop", "ALL",
            "--hostname", "student", "--new-session", "--die-with-parent", "--proc", "/proc", "--dev", "/dev",
            "--size", str(256 << 20), "--tmpfs", "/tmp", "--size", str(256 << 20), "--tmpfs", "/home/student",
            "--remount-ro", "/dev", "--remount-ro", "/", "--clearenv"]
        for key, value in self._variables().items():
            walls += ["--setenv", key, value]
        bwrap = shutil.which("bwrap")
        inner = [bwrap, *walls, "--chdir", "/home/student", *inside]
        if not root:
            return inner
        # As root: a first view of the files that an unprivileged user may read, then that user makes the real walls.
        # bubblewrap as root alone would leave root outside, whom the kernel's limit on processes does not bind.
        return [bwrap, *self._folders(self.environment, here, PREFIX), "--bind", "/proc", "/proc", "--dev", "/dev",
                "--dir", "/tmp", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--die-with-parent", "--",
                "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *inner]

    def _folders(self, environment, program, prefix):
        """Read-only views: the system's libraries, this Python, its packages (at `prefix`), the graded library."""
        words = ["--ro-bind", "/usr", "/usr"]
        for name in ("bin", "sbin", "lib", "lib32", "lib64"):
            path = Path("/", name)
            if path.is_symlink():
                words += ["--symlink", str(path.readlink()), str(path)]
            elif path.is_dir():
                words += ["--ro-bind", str(path), str(path)]
        words += ["--dir", "/etc"]
        for name in ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "fonts", "localtime"):
            words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
        shown = [Path(sys.base_prefix).resolve()]
        for path in self.hidden:  # a repository or a class below /usr
            if path.is_relative_to("/usr") and path.is_dir() and path not in shown:
                words += ["--tmpfs", str(path)]
        for path in shown:
            if path != Path("/usr"):
                for parent in reversed(path.parents[:-1]):  # bubblewrap's own would be closed to others
                    words += ["--dir", str(parent)]
                words += ["--ro-bind", str(path), str(path)]
        if shown[0] != PREFIX:
            words += ["--ro-bind", str(prefix), str(_inside(PREFIX))]
        for name in ("purelib", "platlib"):  # the whole library, where it is installed and not linked
            path = Path(sysconfig.get_path(name), "vae_lib")
            if path.is_dir():
                words += ["--tmpfs", str(_inside(path))]
        return [*words, "--ro-bind", str(environment), "/course", "--dir", "/grader",
                "--ro-bind", str(program), "/grader/zygote.py"]

    @staticmethod
    def _variables():
        return {"PATH": f"{_inside(PREFIX) / 'bin'}:/usr/bin:/bin", "HOME": "/home/student", "USER": "student",
                "LOGNAME": "student", "LANG": "C.UTF-8", "PYTHONPATH": "/course", "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONNOUSERSITE": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
                "MPLBACKEND": "Agg", "MPLCONFIGDIR": "/tmp/matplotlib", "IPYTHONDIR": "/tmp/ipython",
                "TQDM_DISABLE": "1", "KMP_AFFINITY": "disabled"}

    def start(self):
        """Start the zygote and wait until it has imported everything."""
        mine, theirs = socket.socketpair()
        fd = theirs.fileno()
        self._process = subprocess.Popen(self.command(fd), pass_fds=[fd], env={"PATH": os.environ.get("PATH", "")},
                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                         start_new_session=True)
        theirs.close()
        self._control = mine
        try:
            _write(mine, {**self.limits, "nested": self.nested})
            self.told = _read(mine, time.monotonic() + STARTING)
        except (Silent, Garbled, Closed, OSError) as error:
            self._process.kill()
            said = _said(self._process.stderr, time.monotonic() + 5)
            self.stop()
            raise NoSandbox("The sandbox does not start on this machine. bubblewrap says: "
                            f"{said or type(error).__name__}. It needs user namespaces: see the teacher's "
                            "guide") from None
        if self.told["seen"]:
            self.stop()
            raise NoSandbox(f"From inside the sandbox one can see {self.told['seen'][0]}: move it out of "
                            "/usr and out of the folder of the Python that runs this")

    def stop(self):
        """End the zygote and all that it forked."""
        if self._control:
            self._control.close()
        if self._process:
            put_down(self._process, "the sandbox")
        self._process = self._control = None

    def child(self, cpu=None):
        """A fresh process for one submission: a `Child`, to be used in a `with`."""
        if not self.told["nested"]:
            return self._alone()
        return Child(self._forked({"cpu_number": cpu}))

    def _forked(self, request):
        learner, theirs = socket.socketpair()
        guardian, watched = socket.socketpair()
        try:
            socket.send_fds(self._control, [json.dumps(request).encode()], [theirs.fileno(), watched.fileno()])
        except OSError:
            learner.close(), guardian.close()
            raise NoSandbox("The sandbox has ended: the machine may be out of memory; grade again to go on") from None
        finally:
            theirs.close(), watched.close()
        return learner, guardian

    def _alone(self):
        """A sandbox of its own for one submission: no other process is in it."""
        one = Sandbox(self.environment, self.hidden, self.limits, nested=False)
        one.start()
        return Child(one._forked({}), one.stop)


class Child:
    """The line to one submission in the sandbox: `tell`, `hear`, `interrupt`; `end` says how it ended."""

    def __init__(self, sockets, after=None):
        self._learner, self._guardian = sockets
        self._after, self._came = after, bytearray()
        self.ended, self.given_back = None, 0.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
        self._learner.close()
        self._guardian.close()

    def tell(self, message, seconds=10):
        """Send a message."""
        self._learner.settimeout(seconds)
        try:
            _write(self._learner, message)
        except TimeoutError:
            raise Silent from None
        except OSError:
            raise Closed from None

    def hear(self, until):
        """The next message, whatever a submission may send: plain JSON data. `until` is a time of `time.monotonic`.

        Raises
            Silent (what came of a message so far is kept), Garbled, Closed
        """
        return _read(self._learner, until, self._guardian, self._came)

    def unasked(self):
        """Whether something came that nobody asked for."""
        try:
            return bool(select.select([self._learner], [], [], 0)[0]) and bool(self._learner.recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    def waited(self):
        """Seconds for which the learner was ready to run, and the machine was busy with something else."""
        with contextlib.suppress(Silent, Garbled, Closed, OSError):
            self._guardian.sendall(b"w")
            told = _read(self._guardian, time.monotonic() + ENDING)
            if "end" in told:
                self.ended = told
            return told.get("waited", 0.0)
        return 0.0

    def interrupt(self):
        """What Ctrl-C does."""
        with contextlib.suppress(OSError):
            self._guardian.sendall(b"i")

    def end(self, wait=False):
        """Kill all processes of the submission. Returns {"end": why, "status": wait status}.

        wait: it is about to end on its own, so that the guardian is given half a second to see why.
        """
        if self.ended is None:
            if wait:
                select.select([self._guardian], [], [], 0.5)
            with contextlib.suppress(OSError):
                self._guardian.sendall(b"k")
            until, told = time.monotonic() + 10, {}
            try:
                while "end" not in told:  # an answer of before may still be on its way
                    told = _read(self._guardian, until)
            except (Silent, Garbled, Closed, OSError):
                told = {"end": "gone", "status": 0}
            self.ended = told
        if self._after:
            self._after()
            self._after = None
        return self.ended


def _write(sock, message):
    data = json.dumps(message).encode()
    sock.sendall(struct.pack(">I", len(data)) + data)


def put_down(process, name):
    """Kill a process that we started, and close its pipes.

    Raises
        RuntimeError: it is still there after `ENDING` seconds: the kernel itself holds it.
    """
    process.kill()
    try:
        process.wait(ENDING)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{name} (process {process.pid}) was killed and is not gone after {ENDING} s: look for "
                           "a disk or a network share that does not answer") from None
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            with contextlib.suppress(OSError):
                pipe.close()


def _said(pipe, until):
    """What a process that was killed has said, as far as it comes before the time `until`."""
    parts = b""
    while len(parts) < 2000 and select.select([pipe], [], [], max(0, until - time.monotonic()))[0]:
        part = os.read(pipe.fileno(), 2000)
        if not part:
            break
        parts += part
    return parts[:2000].decode("utf-8", "replace").strip()


def _read(sock, until, guardian=None, came=None):
    came = bytearray() if came is None else came
    _fill(came, sock, 4, until, guardian)
    size = struct.unpack(">I", came[:4])[0]
    if size > MAX_ANSWER:
        raise Garbled
    _fill(came, sock, 4 + size, until, guardian)
    body = bytes(came[4:])
    came.clear()
    try:
        found = json.loads(body)
    except (ValueError, RecursionError, MemoryError):
        raise Garbled from None
    if not isinstance(found, dict):
        raise Garbled
    return found


def _fill(came, sock, size, until, guardian=None):
    """Let `came` grow to `size` bytes, before the time `until`, and only as long as the guardian keeps watch."""
    watched = [one for one in (sock, guardian) if one]
    while len(came) < size:
        ready, _, _ = select.select(watched, [], [], max(0, until - time.monotonic()))
        if not ready:
            raise Silent
        if guardian in ready:  # it has ended: whatever came meanwhile was not watched
            raise Closed
        try:
            part = sock.recv(min(size - len(came), 1 << 16))
        except OSError:
            raise Closed from None
        if not part:
            raise Closed
        came += part
