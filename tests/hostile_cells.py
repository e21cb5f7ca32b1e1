"""What hostile submissions do: the code of one cell each, or what becomes of the whole file.

`@CLASS@`, `@HOME@`, `@ROOT@`, `@PORT@`, `@MARK@` stand for the class's folder, the teacher's home, the repository, a
port on which the test listens, and a word that names the run. A cell that tries to learn something says what it learned
in an exception, `REPORT …`, which the result shows: so the test can see that it was run and what it got.
"""

READ = """
import glob, os
found = []
for pattern in {patterns!r}:
    for path in glob.glob(pattern, recursive=True) or [pattern]:
        try:
            found.append(open(path, errors="replace").read(10 ** 6))
        except OSError as error:
            found.append(type(error).__name__)
import re
raise RuntimeError("REPORT " + " ".join(re.findall("CANARY-[a-z]+", " ".join(found))) + f" of {{len(found)}}")
"""


def read(*patterns):
    return READ.format(patterns=patterns)


# They learn or leave something: the same code outside of the sandbox must succeed, or it would prove nothing.
SPIES = {
    "reads the hidden tests": read("@CLASS@/release/*/teacher/*.json"),
    "reads other students": read("@CLASS@/submitted/*/*honest/*.ipynb"),
    "reads the gradebook": read("@CLASS@/gradebook.db"),
    "reads the results": read("@CLASS@/results/*/*.json"),
    "reads the class's seed": read("@CLASS@/class.toml"),
    "reads the teacher's home": read("@HOME@/**", "@HOME@/.ssh/id"),
    "reads the environment": "import os\nraise RuntimeError('REPORT ' + ' '.join(v for v in os.environ.values() if "
                             "'CANARY' in v))",
    "reads other processes": read("/proc/*/environ", "/proc/*/cmdline"),
    "follows the working folder": read("/proc/*/cwd/gradebook.db", "/proc/*/root@CLASS@/gradebook.db"),
}
REPORTS = {
    "reads the masters": """
import glob
found = glob.glob("@ROOT@/exercises/masters/*/*.py") + glob.glob("@ROOT@/vae_lib/exercises/bank/*")
import vae_lib, os
found += glob.glob(os.path.dirname(vae_lib.__file__) + "/exercises/bank/*")
raise RuntimeError(f"REPORT {len(found)}")""",
    "imports the judging": """
try:
    from vae_lib.exercises import judging, task
    raise RuntimeError("REPORT 1")
except ImportError:
    raise RuntimeError("REPORT 0")""",
    "finds a second library": """
import sys, glob
found = [p for base in sys.path for p in glob.glob(base + "/vae_lib/exercises/judging.py")]
import importlib.metadata as m
found += [f for f in m.files("vae_lib") or [] if "judging" in str(f) and f.locate().exists()]
raise RuntimeError(f"REPORT {len(found)}")""",
    "opens a connection": """
import socket
try:
    socket.create_connection(("127.0.0.1", @PORT@), 1).sendall(b"stolen")
    raise RuntimeError("REPORT 1")
except OSError as error:
    raise RuntimeError("REPORT 0")""",
    "asks for a name": """
import socket
try:
    found = socket.getaddrinfo("example.org", 80)
except OSError:
    found = []
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    try:
        s.connect(("8.8.8.8", 53)); found.append(1)
    except OSError: pass
raise RuntimeError(f"REPORT {len(found)}")""",
    "takes another family of sockets": """
import socket
found = 0
for family in (40, 38, 17, 44, 31, 29):
    for kind in (1, 2, 3, 5):
        try: socket.socket(family, kind).close(); found += 1
        except OSError: pass
raise RuntimeError(f"REPORT {found}")""",
    "writes into the class": """
import os, pathlib
done = 0
for path in ("@CLASS@/gradebook.db", "@CLASS@/results/05_first_vae/aa-honest.json", "@HOME@/.profile", "@ROOT@/x"):
    try: pathlib.Path(path).write_text("hacked"); done += 1
    except OSError: pass
raise RuntimeError(f"REPORT {done}")""",
    "writes into the system": """
import os, sys, torch, vae_lib, site
done = 0
for path in (os.path.dirname(torch.__file__) + "/x", os.path.dirname(vae_lib.__file__) + "/x", "/usr/x", "/dev/x",
             "/etc/x", "/x", "/grader/zygote.py", "/proc/sys/kernel/hostname", sys.prefix + "/x"):
    try: open(path, "w").close(); done += 1
    except OSError: pass
raise RuntimeError(f"REPORT {done}")""",
    "ptrace": """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
raise RuntimeError(f"REPORT {sum(libc.ptrace(16, pid, 0, 0) == 0 for pid in range(1, 40))}")""",
    "reads the zygote's memory": """
import os
done = 0
for pid in set(p for p in os.listdir("/proc") if p.isdigit()) | {str(os.getppid()), "2"}:
    if pid == str(os.getpid()): continue
    for name in ("mem", "environ", "maps"):
        try: open(f"/proc/{pid}/{name}", "rb").read(1); done += 1
        except OSError: pass
raise RuntimeError(f"REPORT {done}")""",
    "raises its limits": """
import resource
done = 0
for name in ("RLIMIT_NPROC", "RLIMIT_AS", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_CPU"):
    try: resource.setrlimit(getattr(resource, name), (-1, -1)); done += 1
    except (OSError, ValueError): pass
raise RuntimeError(f"REPORT {done}")""",
    "becomes root": """
import os, subprocess
done = 0
for call in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0]), lambda: os.chroot("/tmp")):
    try: call(); done += 1
    except OSError: pass
for program in ("su", "mount", "newgrp"):
    out = subprocess.run(f"{program} -c id root", shell=True, capture_output=True, stdin=subprocess.DEVNULL)
    done += b"uid=0" in out.stdout
raise RuntimeError(f"REPORT {done}")""",
    "mounts": """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
done = sum([libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0, libc.umount2(b"/proc", 2) == 0,
            libc.umount2(b"/tmp", 2) == 0, libc.unshare(0x10000000) == 0, libc.unshare(0x10020000) == 0,
            libc.syscall(435, 0, 0) > 0])
raise RuntimeError(f"REPORT {done}")""",
    "signals its parents": """
import os, signal
done = 0
for pid in (os.getppid(), -os.getppid() or -99, 2, 3, 4):
    if pid in (0, os.getpid()): continue
    try: os.kill(pid, signal.SIGKILL); done += 1
    except OSError: pass
raise RuntimeError(f"REPORT {done}")""",
    "finds what others left": """
import glob, os
left = [p for p in glob.glob("/tmp/*@MARK@*") + glob.glob("/dev/shm/*@MARK@*") + glob.glob("/home/student/*@MARK@*")]
import socket
for name in ("@MARK@", "\\0@MARK@"):
    try: socket.socket(socket.AF_UNIX).connect(name); left.append(name)
    except OSError: pass
raise RuntimeError(f"REPORT {len(left)}")""",
}
# They change what runs in their own process, or send data that was not earned.
CHEATS = {
    "makes the class's folders anew": """
import pathlib, shutil
for path in ("@CLASS@/gradebook.db", "@CLASS@/results/05_first_vae/aa-honest.json", "@HOME@/.profile", "@ROOT@/x"):
    try:
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(path).write_text("hacked")
    except OSError: pass
shutil.rmtree("@CLASS@", ignore_errors=True)""",
    "patches assert and numpy": """
import numpy as np, builtins
np.allclose = np.isclose = np.array_equal = np.testing.assert_allclose = lambda *a, **k: True
builtins.AssertionError = type("Never", (BaseException,), {})""",
    "patches torch": """
import torch
torch.allclose = torch.equal = torch.Tensor.equal = lambda *a, **k: True
torch.testing.assert_close = lambda *a, **k: None
torch.Tensor.__eq__ = lambda *a: torch.tensor(True)""",
    "patches the checker": """
from vae_lib.exercises import probing
for name in ("observe", "plain", "_once", "send"):
    setattr(probing, name, lambda *a, **k: [{"seen": {"passed": True, "points": 99}}] * 3)""",
    "patches IPython's display": """
import IPython, IPython.display, IPython.core.display_functions as f
IPython.display.display = f.display = lambda *a, **k: None""",
    "patches open, exec and json": """
import builtins, json
builtins.open = builtins.exec = builtins.compile = builtins.print = lambda *a, **k: None
json.dumps = json.JSONEncoder.encode = lambda *a, **k: '{"passed": true, "points": 99}'""",
    "patches the line to the grader": """
import os, __main__, sys
true = os.write
os.write = lambda fd, data: true(fd, data.replace(b'"error": "', b'"points": "99')) if fd > 2 else len(data)""",
    "forges probes early": """
from IPython.display import display
for task in @PAYLOADS@:
    display({"application/x-probe+json": task}, raw=True)""",
    "forges probes without the nonce": """
import IPython.display as d
true, right = d.display, {one["task"]: one for one in @PAYLOADS@}
def lie(data, **k):
    for value in data.values():
        true({"application/x-probe+json": right.get(value["task"], value)}, raw=True)
d.display = lie""",
    "sends probes twice": """
import IPython.display as d
true, right = d.display, {one["task"]: one for one in @PAYLOADS@}
def lie(data, **k):
    for value in data.values():
        for _ in range(2):
            true({"application/x-probe+json": {**right[value["task"]], "nonce": value["nonce"]}}, raw=True)
d.display = lie""",
    "writes frames into the line": """
import os, json, struct
frame = json.dumps({"of": "", "error": None, "shown": @PAYLOADS@}).encode()
for fd in range(3, 256):
    try: os.write(fd, struct.pack(">I", len(frame)) + frame)
    except OSError: pass""",
    "writes frames between hidden cells": """
import IPython.display as d, os, json, struct
true, right = d.display, {one["task"]: one for one in @PAYLOADS@}
def lie(data, **k):
    (value,) = data.values()
    frame = json.dumps({"of": "x", "shown": [{**right[value["task"]], "nonce": value["nonce"]}]}).encode()
    for fd in range(3, 20):
        try: os.write(fd, struct.pack(">I", len(frame)) + frame)
        except OSError: pass
d.display = lie""",
    "hunts for answers": """
import gc, sys, torch
from vae_lib.exercises import probing
def hunt(probe, answer, inputs, *a, **k):
    seen = []
    for one in gc.get_objects():
        if isinstance(one, dict):
            for key in ("reference", "expected", "solution", "seen", "answers"):
                if key in one: seen.append({"seen": one[key]})
    frame = sys._getframe()
    while frame:
        seen += [{"seen": v} for n, v in frame.f_locals.items() if n in ("expected", "want", "reference")]
        frame = frame.f_back
    return (seen + [{"seen": {}}] * len(inputs))[:len(inputs)]
probing.observe = hunt""",
    "asks the removed symbol": """
from vae_lib import objectives, vae, likelihoods
def kl(mu, logvar):
    return objectives.gaussian_kl(mu, logvar)
def log_noisy(x, logits):
    return likelihoods.Bernoulli().log_prob(x, logits)""",
    "sends nothing but NaN": """
from vae_lib.exercises import probing
true = probing.plain
probing.plain = lambda v, budget=None: {"shape": [], "v": ["nan"]}""",
    "sends a bomb": """
import IPython.display as d
true = d.display
def lie(data, **k):
    deep = []
    for _ in range(900): deep = [deep]
    for value in data.values():
        seen = {"shape": [10 ** 9, 10 ** 9], "v": [0] * 90000, "x": deep}
        true({"application/x-probe+json": {**value, "observed": [{"seen": seen}] * 3}}, raw=True)
d.display = lie""",
    "sends types nobody expects": """
import IPython.display as d
true = d.display
odd = [None, 1e999, "x" * 9000, {"shape": "no", "v": 5}, {"kl": {"shape": [-1], "v": [{}]}}, [[[]]], True]
def lie(data, **k):
    for value in data.values():
        true({"application/x-probe+json": {**value, "observed": [{"seen": one} for one in odd[:3]]}}, raw=True)
d.display = lie""",
    "an answer that equals everything": """
import torch
class Anything(torch.Tensor):
    __eq__ = __ge__ = __le__ = lambda *a: torch.tensor(True)
    def tolist(self): return [0.0] * 9
    @classmethod
    def __torch_function__(cls, f, types, args=(), kwargs=None): return torch.zeros(()).as_subclass(cls)
kl = log_noisy = draw = loss = bound = lambda *a, **k: torch.zeros(()).as_subclass(Anything)""",
    "an answer that runs code when it is read": """
import pickle
class Evil:
    def __reduce__(self): return (eval, ("open('@CLASS@/pickled', 'w')",))
    def __float__(self): open('@CLASS@/pickled', 'w')
    def __str__(self): raise SystemExit
    __repr__ = __str__
reading = rate_goes = Evil()
pickle.loads(pickle.dumps(Evil()))""",
    "traces the hidden cell": """
import sys, threading
class Spy(dict): pass
def trace(frame, event, arg):
    for name in ("expected", "reference", "want"):
        if name in frame.f_locals: frame.f_globals["stolen"] = frame.f_locals[name]
    return trace
sys.settrace(trace); threading.settrace(trace); sys.setprofile(lambda *a: None)""",
    "a thread that forges": """
import threading, time, sys
def forge():
    from IPython.display import display
    while True:
        for one in @PAYLOADS@: display({"application/x-probe+json": one}, raw=True)
        time.sleep(0.002)
threading.Thread(target=forge, daemon=True).start()""",
    "patches what comes next": """
import sys, builtins, os
for folder in ("/tmp", "/dev/shm", "/home/student"):
    open(folder + "/@MARK@.py", "w").write("x")
import socket
s = socket.socket(socket.AF_UNIX); s.bind("\\0@MARK@"); s.listen()
builtins.keep = s
from release import Edition""",
    "leaves at the end": """
import atexit, os, signal
atexit.register(lambda: open("@CLASS@/atexit", "w"))
for number in range(1, 32):
    try: signal.signal(number, lambda *a: None)
    except (OSError, ValueError): pass""",
    "an exception that bites": """
class Bite(Exception):
    def __str__(self): raise Bite
    __repr__ = __class__ = property(__str__)
raise Bite""",
    "an answer that never returns": """
def kl(mu, logvar):
    while True:
        try:
            while True: pass
        except BaseException: pass""",
    "an answer that ends the process": "import os\ndef kl(mu, logvar):\n    os._exit(0)",
    "calls itself without end": "import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(n): return f(n + 1)\nf(0)",
}
# They take more than they should get. The word that the result has to say comes first.
STOPPERS = {
    "endless loop": ("timed out", "while True: pass"),
    "loop that swallows interrupts": ("timed out", "while True:\n    try:\n        while True: pass\n"
                                                   "    except BaseException: pass"),
    "ignores all signals": ("timed out", "import signal\nsignal.signal(2, signal.SIG_IGN)\n"
                                         "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))\nwhile True: pass"),
    "sleeps past the limit": ("timed out", "import time\ntime.sleep(3600)"),
    "stops itself": ("timed out|graded", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\nimport time\n"
                                         "time.sleep(3600)"),
    "memory bomb": ("crashed|graded", "kept = []\nwhile True: kept.append(bytearray(10 ** 9))"),
    "memory bomb in torch": ("crashed|graded", "import torch\nkept = []\nwhile True: kept.append(torch.ones(10 ** 8))"),
    "memory of many processes": ("crashed", "import os, time\nfor _ in range(20):\n    if os.fork() == 0:\n"
                                            "        kept = bytearray(b'x') * 10 ** 9\n        time.sleep(99)\n"
                                            "time.sleep(3)"),
    "memory outside of processes": ("graded", "import os\nkept = []\nfor _ in range(100):\n"
                                              "    fd = os.memfd_create('x')\n"
                                              "    kept.append(os.write(fd, bytes(10 ** 8)))"),
    "fork bomb": ("crashed|timed out|graded", "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"),
    "threads": ("crashed|timed out|graded", "import threading, time\nwhile True:\n    try:\n        threading.Thread("
                                            "target=time.sleep, args=(99,)).start()\n    except RuntimeError: pass"),
    "os._exit": ("crashed", "import os\nos._exit(0)"),
    "kill -1": ("graded|crashed", "import os\nos.kill(-1, 9)"),
    "segmentation fault": ("crashed", "import ctypes\nctypes.string_at(0)"),
    "abort": ("crashed", "import os\nos.abort()"),
    "output flood": ("graded|timed out", "for _ in range(300): print('x' * 10 ** 6)"),
    "huge image": ("graded|crashed|timed out",
                   "from IPython.display import Image, display\nimport matplotlib.pyplot as plt\n"
                   "display(Image(data=bytes(10 ** 8), format='png'))\n"
                   "plt.figure(figsize=(400, 400), dpi=100).savefig('/tmp/x.png')"),
    "fills the disk": ("graded", "import os\nfor k in range(99):\n    with open(f'/tmp/{k}', 'wb') as f:\n"
                                 "        f.write(bytes(6 * 10 ** 7))"),
    "takes all descriptors": ("graded|crashed",
                              "import os\nkept = []\nwhile True: kept.append(os.open('/dev/null', 0))"),
    "closes all descriptors": ("crashed", "import os\nos.closerange(0, 4096)"),
    "a process that outlives the cell": ("graded", "import subprocess\nsubprocess.Popen(['sleep', '86399@PORT@'], "
                                                   "start_new_session=True)"),
    "a fork that outlives": ("graded", "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(99)\n"
                                       "    os._exit(0)"),
    "a fork that answers": ("graded|crashed", "import os\nos.fork()"),
    "exit": ("graded", "raise SystemExit"),
}
