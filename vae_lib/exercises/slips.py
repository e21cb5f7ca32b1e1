"""One slip in the model solution: every answer that a single change of one place makes, and words for the change.

Nobody can write down all mistakes beforehand. An answer that gives the numbers of the solution with one change has
that mistake, whatever its own lines look like. These are the mutants of mutation testing (DeMillo, Lipton and Sayward,
1978, doi:10.1109/C-M.1978.218136), used the other way round: to name a fault, and not to test a test.
"""

import ast
import contextlib
import itertools
from dataclasses import dataclass

__all__ = ["Slip", "slips"]

LONGEST = 110  # characters of code in a sentence; of a longer line the part around the slip is shown
SWAPPED = {ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "/"}
SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Pow: "**", ast.MatMult: "@"}
COMPARED = {ast.Lt: ("<=", ">"), ast.LtE: ("<", ">="), ast.Gt: (">=", "<"), ast.GtE: (">", "<="), ast.Eq: ("!=",),
            ast.NotEq: ("==",)}
PAIRS = """sum mean, mean median, var std, square abs, square sqrt, exp expm1, exp log, log log1p, log log2,
    log log10, max min, amax amin, maximum minimum, argmax argmin, softmax log_softmax, softmax sigmoid, sigmoid tanh,
    sigmoid softplus, sigmoid logsigmoid, softplus relu, zeros_like ones_like, zeros ones, randn_like rand_like,
    randn rand, cumsum cumprod, sum prod, sum amax, mean amax, norm sum, logsumexp amax, logsumexp sum, logsumexp mean,
    sin cos, floor ceil"""
RELATED = {}  # the functions that stand where another is meant, by that other
for first, second in (pair.split() for pair in PAIRS.split(",")):
    RELATED.setdefault(first, []).append(second)
    RELATED.setdefault(second, []).append(first)
REDUCING = {"sum", "mean", "logsumexp", "softmax", "log_softmax", "var", "std", "norm", "amax", "amin", "max", "min",
            "argmax", "argmin", "cumsum", "cumprod", "prod", "median", "sort", "argsort"}
MODULES = {"torch", "math", "F", "np", "nn"}
SIZED = {"range", "arange", "randn", "rand", "randint", "randperm", "zeros", "ones", "full", "empty", "eye", "linspace",
         "expand", "repeat", "repeat_interleave", "view", "reshape", "multinomial"}  # sizes do not grow at random
AROUND = [("-⟨{}⟩", "sign"), ("2 * ⟨{}⟩", "factor"), ("0.5 * ⟨{}⟩", "factor"), ("⟨{}⟩ ** 2", "function"),
          ("⟨{}⟩ ** 0.5", "function"), ("⟨{}⟩.exp()", "function"), ("⟨{}⟩.log()", "function"),
          ("⟨{}⟩.abs()", "function"), ("1 - ⟨{}⟩", "function"), ("1 / ⟨{}⟩", "function"), ("⟨{}⟩ - 1", "number"),
          ("⟨{}⟩ + 1", "number"), ("⟨{}⟩.detach()", "gradient"), ("⟨{}⟩.mean()", "function"),
          ("⟨{}⟩.sum()", "function"), ("⟨{}⟩.mT", "order")]  # ⟨ ⟩ are brackets where they are needed
WORDS = {
    "operation": "In it one operation, or one comparison, is not the one that is meant",
    "order": "In it two things stand in each other's place, or a matrix lies the other way round",
    "missing": "In it something is missing: a term, a factor, a sign or a function",
    "sign": "In it a sign is not the one that is meant",
    "factor": "In it a factor is missing or too many",
    "function": "In it a function (a square, a root, a logarithm, a mean, one minus it …) is missing, too many or not "
                "the one that is meant",
    "number": "In it one number is not the one that is meant",
    "dimension": "In it a sum or mean goes over other dimensions than is meant",
    "name": "In it one thing stands where another is meant",
    "brackets": "In it the brackets stand in another place than is meant",
    "gradient": "In it the gradient is cut off where it should pass",
}


@dataclass(frozen=True)
class Slip:
    """An answer made by one change of a solution.

    before, new, after: the text around the change, and the text of the change with ⟨ ⟩ for brackets. kind: what was
    changed, a key of WORDS, or "step" for a step `name` that is left out.
    """

    before: str
    new: str
    after: str
    kind: str
    name: str = ""

    @property
    def source(self):
        """The answer as code."""
        return self._with(self.new)

    def _with(self, new):
        return f"{self.before}{new.replace('⟨', '(').replace('⟩', ')')}{self.after}"

    @property
    def line(self):
        """The changed statement as code, or as much of it around the change as is short enough."""
        new, same = self.new, ast.dump(ast.parse(self.source))
        for k in range(self.new.count("⟨")):  # leave out the brackets that change nothing
            less = _without(new, k - self.new.count("⟨") + new.count("⟨"))
            with contextlib.suppress(SyntaxError):
                if ast.dump(ast.parse(self._with(less))) == same:
                    new = less
        return _around(self._with(new), len(self.before), len(new))

    @property
    def sentence(self):
        """What a learner reads whose answer gives the same numbers."""
        if self.kind == "step":
            return f"Your numbers are those of a solution with one step left out: the one that makes or changes " \
                   f"`{self.name}`."
        return f"Your numbers are those of a solution with `{self.line}`. {WORDS[self.kind]}."


def slips(source, constants=()):
    """Every `Slip` of a solution, the likeliest kinds first; none of a solution that repeats until something holds.

    constants: names of the constants that the task gives; one can stand where another is meant.
    """
    tree = ast.parse(source)
    if any(isinstance(node, ast.While) for node in ast.walk(tree)):
        return  # a changed condition might never hold
    starts = [0, *itertools.accumulate(len(line) + 1 for line in source.split("\n"))]
    lines = source.split("\n")

    def place(line, column):  # Python counts bytes
        return starts[line - 1] + len(lines[line - 1].encode()[:column].decode())

    def code(node):
        return source[place(node.lineno, node.col_offset):place(node.end_lineno, node.end_col_offset)]

    seen = {source}
    for _, kind, node, new in sorted(_changes(tree, code, constants), key=lambda change: change[0]):
        start, end = place(node.lineno, node.col_offset), place(node.end_lineno, node.end_col_offset)
        slip = Slip(source[:start], new, source[end:], kind, _target(node) if kind == "step" else "")
        if slip.source not in seen:
            seen.add(slip.source)
            yield slip


def _without(text, k):
    """`text` without its k-th ⟨ and the ⟩ that belongs to it."""
    start = [at for at, letter in enumerate(text) if letter == "⟨"][k]
    depth = 0
    for end in range(start, len(text)):
        depth += (text[end] == "⟨") - (text[end] == "⟩")
        if depth == 0:
            return text[:start] + text[start + 1:end] + text[end + 1:]
    return text


def _target(statement):
    """The name of what a statement makes or changes."""
    if isinstance(statement, ast.Assign):
        return ast.unparse(statement.targets[0])
    if isinstance(statement, ast.AugAssign):
        return ast.unparse(statement.target)
    value = statement.value
    while isinstance(value, ast.Call | ast.Attribute):
        value = value.func if isinstance(value, ast.Call) else value.value
    return ast.unparse(value)


def _around(source, start, width):
    """The statement of `source` that holds the place, or as much of it around the place as is short enough."""
    chosen, starts = "", [0, *itertools.accumulate(len(line.encode()) + 1 for line in source.split("\n"))]
    first, last = len(source[:start].encode()), len(source[:start + width].encode())
    for one in ast.walk(ast.parse(source)):  # from the outside to the inside
        if not isinstance(one, ast.expr | ast.stmt) or (getattr(one, "body", None) and isinstance(one, ast.stmt)):
            continue  # of a loop and its like the head is an expression, and the body are statements
        begin, end = starts[one.lineno - 1] + one.col_offset, starts[one.end_lineno - 1] + one.end_col_offset
        if begin <= first and last <= end and (not chosen or len(chosen) > LONGEST):
            chosen = " ".join(source.encode()[begin:end].decode().split())
    return chosen


def _changes(tree, code, constants):
    """(rank, kind, node, the text that takes its place)"""
    nodes = list(ast.walk(tree))
    numbers = sorted({code(node) for node in nodes if _number(node)})
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    names |= {node.arg for node in nodes if isinstance(node, ast.arg)} | set(constants)
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    dims = {one for call in calls for one in _dims(call)}
    sized = {inner for call in calls if _called(call) in SIZED for one in ast.iter_child_nodes(call) if one != call.func
             for inner in ast.walk(one)}
    for node in nodes:
        loaded = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names
        if node in dims:
            for other in ("0", "1", "-1"):
                yield 1, "dimension", node, other
        elif isinstance(node, ast.BinOp):
            yield from _of_operation(node, code)
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            for sign in COMPARED.get(type(node.ops[0]), ()):
                yield 1, "operation", node, f"{code(node.left)} {sign} {code(node.comparators[0])}"
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield 0, "sign", node, f"⟨{code(node.operand)}⟩"
        elif _number(node):
            yield from _of_number(node, code, numbers, constants)
        elif isinstance(node, ast.Call):
            yield from _of_call(node, code)
        elif loaded:
            for other in sorted(names - {node.id}):
                yield 3, "name", node, other
            if node.id in constants:
                for other in {*numbers, "1"}:
                    yield 3, "number", node, other
        elif isinstance(node, ast.Return):
            yield 0, "sign", node.value, f"⟨-⟨{code(node.value)}⟩⟩"
        elif isinstance(node, ast.Assign | ast.AugAssign) or _is_call(node):
            yield 2, "step", node, "pass"
            if isinstance(node, ast.AugAssign):
                yield 2, "operation", node, f"{code(node.target)} = {code(node.value)}"
        if node not in sized and (loaded or isinstance(node, ast.BinOp | ast.Call)):
            for around, kind in AROUND:
                yield 4, kind, node, f"⟨{around.format(code(node))}⟩"


def _is_call(statement):
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)


def _of_operation(node, code):
    left, right, sign = code(node.left), code(node.right), SIGNS.get(type(node.op))
    if sign is None:
        return
    if type(node.op) in SWAPPED:
        yield 0, "sign" if sign in "+-" else "operation", node, f"⟨⟨{left}⟩ {SWAPPED[type(node.op)]} ⟨{right}⟩⟩"
    if sign in ("-", "/", "@", "**"):
        yield 0, "sign" if sign == "-" else "order", node, f"⟨⟨{right}⟩ {sign} ⟨{left}⟩⟩"
    yield 1, "missing", node, f"⟨{left}⟩"
    yield 1, "missing", node, f"⟨{right}⟩"
    if sign == "**":
        yield 1, "operation", node, f"⟨⟨{left}⟩ * ⟨{right}⟩⟩"
    for new in _regrouped(node, code, sign):
        yield 2, "brackets", node, f"⟨{new}⟩"


def _regrouped(node, code, sign):
    """The operation with the brackets in another place: x (a + b) as x a + b, and x + a b as (x + a) b."""
    times, plus = (ast.Mult, ast.Div), (ast.Add, ast.Sub)
    for outer, inner in ((times, plus), (plus, (*times, ast.Pow))):
        if isinstance(node.op, outer) and isinstance(node.right, ast.BinOp) and isinstance(node.right.op, inner):
            x, a, b = code(node.left), code(node.right.left), code(node.right.right)
            yield f"⟨⟨{x}⟩ {sign} ⟨{a}⟩⟩ {SIGNS[type(node.right.op)]} ⟨{b}⟩"
            if isinstance(node.op, ast.Mult):
                yield f"⟨{a}⟩ {SIGNS[type(node.right.op)]} ⟨⟨{x}⟩ * ⟨{b}⟩⟩"
        if isinstance(node.op, outer) and isinstance(node.left, ast.BinOp) and isinstance(node.left.op, inner):
            a, b, x = code(node.left.left), code(node.left.right), code(node.right)
            yield f"⟨{a}⟩ {SIGNS[type(node.left.op)]} ⟨⟨{b}⟩ {sign} ⟨{x}⟩⟩"
            if isinstance(node.op, times):
                yield f"⟨⟨{a}⟩ {sign} ⟨{x}⟩⟩ {SIGNS[type(node.left.op)]} ⟨{b}⟩"


def _of_number(node, code, numbers, constants):
    here = code(node)
    for other in [*numbers, *constants]:
        yield 1, "number", node, other
    for new in (f"2 * {here}", f"{here} / 2"):
        yield 1, "number", node, f"⟨{new}⟩"
    for new in (f"{here} - 1", f"{here} + 1", "0"):
        yield 2, "number", node, f"⟨{new}⟩"


def _of_call(node, code):
    function, name = code(node.func), _called(node)
    arguments = [code(one) for one in node.args]
    named = {one.arg: code(one.value) for one in node.keywords if one.arg}

    def call(arguments, named, function=function):
        return f"{function}({', '.join([*arguments, *(f'{key}={value}' for key, value in named.items())])})"

    inside = arguments[:1] if _of_module(node) else [code(node.func.value)]
    for one in inside:
        if not one.startswith("*"):
            yield 1, "missing", node, f"⟨{one}⟩"
    for other in RELATED.get(name, ()):
        yield 1, "function", node, call(arguments, named, function.removesuffix(name) + other)
    if name in ("var", "std", "cov") and "correction" not in named:
        yield 1, "number", node, call(arguments, named | {"correction": "0"})
    for old, new in (("min", "max"), ("max", "min")):
        if old in named:
            yield 1, "order", node, call(arguments, {new if key == old else key: named[key] for key in named})
    for key in named:  # one that is forgotten
        yield 2, "dimension" if key in ("dim", "keepdim") else "missing", node, \
            call(arguments, {other: named[other] for other in named if other != key})
    if len(arguments) > 1:
        yield 1, "order", node, call([arguments[1], arguments[0], *arguments[2:]], named)
        for k in range(len(arguments)):
            yield 2, "missing", node, call(arguments[:k] + arguments[k + 1:], named)
    if any(True for _ in _dims(node)):  # over everything
        yield 1, "dimension", node, call(arguments[:_of_module(node)], {})
    if name == "range" and len(arguments) == 1:
        for new in (["1", *arguments], [f"{arguments[0]} - 1"], [f"{arguments[0]} + 1"]):
            yield 2, "number", node, call(new, {})


def _called(node):
    """The name of the function or method of a call."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _of_module(call):
    """Whether the first argument is what the function works on: `torch.sum(x)`, and not `x.sum()`."""
    if not isinstance(call.func, ast.Attribute):
        return True
    head = call.func.value
    while isinstance(head, ast.Attribute):
        head = head.value
    return isinstance(head, ast.Name) and head.id in MODULES


def _dims(call):
    """The numbers of a call that name dimensions."""
    if _called(call) not in REDUCING:
        return
    for one in [*call.args[_of_module(call):], *(keyword.value for keyword in call.keywords if keyword.arg == "dim")]:
        if _number(one) or (isinstance(one, ast.UnaryOp) and _number(one.operand)):
            yield one


def _number(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool)
