"""Ask an answer for values and turn what it does into plain data; whatever it is, a sentence and no traceback.

This file knows no solution. It runs in the learner's notebook, and inside the sandbox that grades a class.
"""

import atexit
import contextlib
import ctypes
import io
import json
import math
import numbers
import sys
import threading
import time
import traceback

import numpy as np
import torch

__all__ = ["HELPERS", "LIMIT", "MIME", "Guard", "Problem", "choice", "decode", "encode", "gradients", "number",
           "observe", "plain", "send"]

MIME = "application/x-probe+json"
LIMIT = 4.0  # seconds that an answer may take, all probes together
PATIENCE_WITH_IMPORTS = 15  # more seconds for the first import of a module, which must not be broken off
MOST = 20_000  # numbers in one observation
FAREWELL = 5.0  # seconds that late threads get to end when Python does
LATE = []  # threads that were asked to end and have not yet


class Problem(Exception):
    """What is wrong with an answer before its values matter: `kind` is one word, the message a sentence."""

    def __init__(self, kind, sentence):
        super().__init__(sentence)
        self.kind = kind


def number(value, name="your answer"):
    """`value` as a float: a number, an array or a tensor with one element."""
    if isinstance(value, torch.Tensor | np.ndarray) and math.prod(value.shape) == 1:
        value = value.reshape(-1).tolist()[0]
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise Problem("type", f"For {name} we expect one number, and got {_kind(value)}.")
    return float(value)


def choice(value, options, name="your answer"):
    """`value` as one of the given texts, whatever its capitals and spaces."""
    if value is None or value is ...:
        raise Problem("none", f"There is nothing in {name} yet: choose one of {_listed(options)}.")
    if not isinstance(value, str):
        raise Problem("type", f"For {name} we expect one of {_listed(options)} as a text, and got {_kind(value)}.")
    cleaned = " ".join(value.lower().split())
    for option in options:
        if cleaned == option.lower():
            return option
    raise Problem("type", f"For {name} we expect one of {_listed(options)}, and got {value[:40]!r}.")


class Guard:
    """An answer that can be called safely: its results have the promised type, and its inputs stay as they were.

    returns: "tensor", "tensor, tensor" … or "anything".
    """

    def __init__(self, answer, returns, name):
        if answer is None or answer is ...:
            raise Problem("none", f"`{name}` is empty: there is no answer to check yet.")
        if not callable(answer):
            raise Problem("type", f"`{name}` should be a function, and is {_kind(answer)}.")
        self.answer, self.name = answer, name
        self.returns = [kind.strip() for kind in returns.split(",")]

    def __call__(self, *args, **kwargs):
        before = [(one, one.detach().clone()) for one in (*args, *kwargs.values()) if isinstance(one, torch.Tensor)]
        result = self.answer(*args, **kwargs)
        for one, copy in before:
            if one.shape != copy.shape or not torch.equal(one.detach(), copy):
                raise Problem("changed", f"`{self.name}` changes the tensors that it is given. Whoever calls it still "
                                         "needs them: work on new tensors (avoid `x += …`, `x[…] = …`, `x.add_`).")
        if self.returns == ["anything"]:
            return result
        if len(self.returns) == 1:
            return self._tensor(result, before)
        if result is None:
            return self._tensor(result, before)
        if isinstance(result, torch.Tensor) and result.dim() and len(result) == len(self.returns):
            result = result.unbind()  # stacked, they can be taken apart as well
        if not isinstance(result, tuple | list) or len(result) != len(self.returns):
            count = f"{len(result)} of them" if isinstance(result, tuple | list) else _kind(result)
            raise Problem("type", f"`{self.name}` should return {len(self.returns)} tensors, and returns {count}.")
        return tuple(self._tensor(one, before) for one in result)

    def _tensor(self, value, before):
        if value is None or value is ...:
            raise Problem("none", f"`{self.name}` returns None: write its lines, and end them with a `return`.")
        if isinstance(value, np.ndarray | np.number | numbers.Real) or (
                isinstance(value, list | tuple) and value and all(isinstance(one, numbers.Real) for one in value)):
            value = torch.as_tensor(np.asarray(value, dtype=float))
        if not isinstance(value, torch.Tensor):
            raise Problem("type", f"`{self.name}` should return a tensor, and returns {_kind(value)}.")
        devices = {str(one.device) for one, _ in before}
        if value.device.type == "meta" or (devices and str(value.device) not in devices):
            raise Problem("device", f"`{self.name}` returns a tensor on the device {value.device}, and its inputs are "
                                    f"on {' and '.join(sorted(devices)) or 'cpu'}: leave it where they are.")
        if value.is_complex() or value.layout != torch.strided or value.is_quantized:
            raise Problem("type", f"`{self.name}` should return an ordinary tensor of real numbers, and returns one of "
                                  f"type {value.dtype}, layout {value.layout}.")
        return value


def gradients(value, *wanted):
    """The gradients of the sum of `value`; zeros where nothing arrives."""
    if not isinstance(value, torch.Tensor) or not value.requires_grad:
        return [torch.zeros_like(one) for one in wanted]
    found = torch.autograd.grad(value.sum(), wanted, allow_unused=True, retain_graph=True)
    return [torch.zeros_like(one) if got is None else got for one, got in zip(wanted, found)]


def plain(value, budget=None):
    """Numbers, texts, lists, dicts; a tensor becomes {"shape": …, "v": flat list}. Raises `Problem` for the rest."""
    budget = [MOST] if budget is None else budget
    if isinstance(value, torch.Tensor | np.ndarray | np.number):
        tensor = torch.as_tensor(value).detach()
        budget[0] -= tensor.numel()
        if budget[0] < 0:
            raise Problem("size", f"The answer holds a tensor of shape {tuple(tensor.shape)}, much larger than "
                                  "expected.")
        if tensor.device.type == "meta":
            raise Problem("device", "The answer holds a tensor on the device meta, which has no values.")
        flat = tensor.cpu().to_dense().reshape(-1)
        return {"shape": list(tensor.shape), "v": [_finite(v) for v in flat.double().tolist()]}
    if value is None or isinstance(value, bool | str):
        return value[:2000] if isinstance(value, str) else value
    if isinstance(value, numbers.Real):
        return _finite(float(value))
    if isinstance(value, dict | list | tuple):
        budget[0] -= len(value)
        if budget[0] < 0:
            raise Problem("size", f"The answer holds {len(value):,} things, many more than expected.")
        if isinstance(value, dict):
            return {str(key)[:100]: plain(one, budget) for key, one in value.items()}
        return [plain(one, budget) for one in value]
    raise Problem("type", f"The answer holds {_kind(value)}, and we expect numbers, texts or tensors.")


def encode(inputs):
    """Inputs as JSON; they come back with `decode`."""
    return json.dumps({key: _packed(value) for key, value in inputs.items()})


def decode(text):
    """The inputs that `encode` packed."""
    return {key: _unpacked(value) for key, value in json.loads(text).items()}


def observe(probe, answer, inputs, name="answer", returns="", limit=LIMIT):
    """Run `probe(answer, **inputs)` for each of the inputs, in a thread of its own, within `limit` seconds.

    Returns
        One dict for each of `inputs`: {"seen": plain data}, or {"problem": kind, "sentence": why}. After a
        problem the rest is not run.
    """
    results = []

    def work():
        try:
            for one in inputs:
                results.append(_once(probe, answer, one, name, returns))
                if "problem" in results[-1]:
                    break
        except BaseException:  # the message that stops the thread may arrive anywhere
            pass

    silent = _Few()
    default, threads = torch.get_default_dtype(), torch.get_num_threads()
    thread = threading.Thread(target=work, daemon=True)
    with torch.random.fork_rng(devices=[]), contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent):
        thread.start()
        thread.join(limit)
        for _ in range(PATIENCE_WITH_IMPORTS):
            if not (thread.is_alive() and _importing(thread)):
                break
            thread.join(1.0)
        kept, late = list(results), thread.is_alive()
        if late:
            _stop(thread)
    torch.set_default_dtype(default)
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    if late and not (kept and "problem" in kept[-1]):
        kept.append(_problem("time", f"`{name}` was not ready after {limit:g} seconds, where a good answer takes less "
                                     "than a tenth of one: look for a loop that never ends or a training run inside."))
    return kept


def send(task, answer, probe, inputs, returns="", name="answer", nonce="", limit=20.0):
    """Observe, and put the plain data out as the notebook output that the grader reads (`application/x-probe+json`)."""
    from IPython.display import display

    seen = observe(probe, answer, [decode(one) for one in inputs], name, returns, limit)
    display({MIME: {"task": task, "nonce": nonce, "observed": seen}}, raw=True)


def _once(probe, answer, inputs, name, returns):
    try:
        subject = Guard(answer, returns, name) if returns else answer
        if not returns and (answer is None or answer is ...):
            raise Problem("none", f"`{name}` is empty: there is no answer to check yet.")
        return {"seen": plain(probe(subject, **{key: _copied(value) for key, value in inputs.items()}))}
    except Problem as problem:
        return _problem(problem.kind, str(problem))
    except NotImplementedError:
        return _problem("none", f"`{name}` is not written yet.")
    except RecursionError:
        return _problem("raised", f"`{name}` calls itself without end.")
    except BaseException as error:
        return _problem("raised", _explained(error, name))


def _problem(kind, sentence):
    return {"problem": kind, "sentence": sentence}


def _explained(error, name):
    """An exception in one sentence, with the line of the learner's code that raised it."""
    where = ""
    with contextlib.suppress(Exception):
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if "/vae_lib/" not in frame.filename and "site-packages" not in frame.filename and frame.line:
                where = f", at the line `{frame.line.strip()[:100]}`"
                break
    try:
        message = " ".join(str(error).split())[:200]
    except BaseException:
        message = ""
    return f"`{name}` stops with {type(error).__name__}{f': {message}' if message else ''}{where}."


def _stop(thread):
    """Ask a thread to end; one that does not at once is asked again when Python ends."""
    for _ in range(3):
        if _ask(thread):
            return
    LATE.append(thread)


def _ask(thread):
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))
    thread.join(0.1)
    return not thread.is_alive()


@atexit.register
def _farewell():
    """Wait for late threads: one that is inside of PyTorch while Python ends brings the process down."""
    until = time.monotonic() + FAREWELL
    for thread in LATE:
        while thread.is_alive() and time.monotonic() < until and not _ask(thread):
            pass


def _importing(thread):
    """Whether a thread is inside of an import, such as PyTorch's own when its first optimiser is made."""
    frame = sys._current_frames().get(thread.ident)
    while frame:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


class _Few(io.TextIOBase):
    """Where an answer's prints go during a check."""

    def write(self, text):
        return len(text)

    def writable(self):
        return True


def _copied(value):
    return value.clone() if isinstance(value, torch.Tensor) else value


def _packed(value):
    if isinstance(value, torch.Tensor):
        return {"tensor": str(value.dtype).removeprefix("torch."), "shape": list(value.shape),
                "v": value.reshape(-1).tolist()}
    if isinstance(value, list | tuple):
        return [_packed(one) for one in value]
    return value


def _unpacked(value):
    if isinstance(value, dict) and "tensor" in value:
        return torch.tensor(value["v"], dtype=getattr(torch, value["tensor"])).reshape(value["shape"])
    if isinstance(value, list):
        return [_unpacked(one) for one in value]
    return value


def _finite(value):
    return value if math.isfinite(value) else str(value)  # JSON has no NaN


def _kind(value):
    """The type of an object in words."""
    if value is None:
        return "None"
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _listed(options):
    return ", ".join(f'"{one}"' for one in options)


HELPERS = {"Problem": Problem, "choice": choice, "gradients": gradients, "number": number}  # for the parts of a task
