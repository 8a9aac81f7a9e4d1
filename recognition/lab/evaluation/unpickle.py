"""Reads the pickle of a verification set as data. Nothing in it is ever imported, called or built.

Python's own unpickler runs what a file tells it to run, and a file can make it allocate more memory than a machine has. So
this module interprets the opcodes itself, and only those that the format needs (the standard library's pickletools
describes them). Strings become places in the file; numpy arrays become a shape, a type and such a place. Memory grows with
the file's size, never with the sizes that the file declares.
"""

import mmap
import pickletools
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

NAMES = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy._core.numeric", "_frombuffer"),
    ("_codecs", "encode"),  # how Python 3 writes bytes for Python 2
}
DTYPES = {"u1", "b1", "i1", "i4", "i8"}
MOST_ON_STACK = 100_000  # picklers put about a thousand objects on it at a time
LONGEST_NAME = 64
Data = bytes | mmap.mmap
"""The whole file."""


class PickleRefused(Exception):
    """The file is damaged, or holds something that no verification set needs. The message says what."""


class Span(NamedTuple):
    """Bytes start:end of the file. text: they are UTF-8. latin: each character of that text stands for a byte."""

    start: int
    end: int
    text: bool = False
    latin: bool = False


class Name(NamedTuple):
    """A class or function that the file names; one of NAMES."""

    module: str
    name: str


class DType(NamedTuple):
    """A numpy element type, such as "u1"; one of DTYPES."""

    code: str


@dataclass(slots=True)
class Array:
    """A numpy array whose elements stay in the file, in C order. dtype: such as "u1". data: None until it is filled."""

    shape: tuple[int, ...] = ()
    dtype: str = ""
    data: Span | None = None

    @property
    def elements(self) -> Span:
        """Where the elements are. Raises PickleRefused if the file never says so."""
        if self.data is None:
            raise PickleRefused("an array in it is damaged")
        return self.data


def bytes_at(data: Data, span: Span) -> bytes:
    """The bytes that `span` stands for."""
    raw = bytes(data[span.start : span.end])
    return raw.decode("utf-8").encode("latin-1") if span.latin else raw


def read_pickle(data: Data) -> object:
    """The pickled object, made of tuples, lists, ints, bools, None, Span and Array. Raises PickleRefused."""
    try:
        return _Interpreter(data).run()
    except (struct.error, IndexError) as error:
        raise PickleRefused("it ends too early, or is not a pickle") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PickleRefused("its pickle is damaged") from error


class _Interpreter:
    """Runs the pickle's opcodes with a stack, marks and a memo, as pickletools describes them."""

    def __init__(self, data: Data):
        self.data, self.at, self.size = data, 0, len(data)
        self.stack: list = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}
        self.lengths: dict[int, int] = {}  # of latin spans, by their start, so that each is counted once
        self.objects = 0  # strings and numbers
        # An item that repeats an earlier one takes at least two bytes of the file, a new image takes far more.
        self.most_items, self.most_objects = 10_000 + self.size // 2, 10_000 + self.size // 64

    def run(self) -> object:
        while True:
            code = self.data[self.at]
            self.at += 1
            if code == STOP:
                return self.stack[-1]
            if (step := STEPS.get(code)) is None:
                raise PickleRefused(f"it holds the opcode {OPCODE_NAMES.get(code, hex(code))}, which no set needs")
            step(self)
            if len(self.stack) > MOST_ON_STACK or max(len(self.memo), self.objects) > self.most_objects:
                raise PickleRefused("it holds far more objects than its size allows")

    # --- reading ---
    def number(self, form: str) -> int:
        [value] = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def span(self, form: str, text: bool = False) -> None:
        length = self.number(form)
        if length < 0 or length > self.size - self.at:
            raise PickleRefused("it ends too early: a string would go beyond its end")
        self.stack.append(Span(self.at, self.at + length, text))
        self.at += length
        self.objects += 1

    def push_number(self, form: str) -> None:
        self.stack.append(self.number(form))
        self.objects += self.stack[-1] not in range(-5, 257)  # Python keeps these numbers only once

    def line(self) -> str:
        end = self.data.find(b"\n", self.at, self.at + LONGEST_NAME)
        if end < 0:
            raise PickleRefused("it ends too early, or is not a pickle")
        text = bytes(self.data[self.at : end]).decode("ascii")
        self.at = end + 1
        return text

    def short_text(self, value: object) -> str:
        """A short string of the file, such as a name."""
        if not isinstance(value, Span) or value.end - value.start > LONGEST_NAME:
            raise PickleRefused("a name in it is not a short string")
        return bytes(self.data[value.start : value.end]).decode("ascii")

    def length(self, span: Span) -> int:
        """The number of bytes that `span` stands for."""
        if not span.latin:
            return span.end - span.start
        if span.start not in self.lengths:
            self.lengths[span.start] = len(bytes_at(self.data, span))
        return self.lengths[span.start]

    # --- stack ---
    def pop_mark(self) -> list:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def make_tuple(self, length: int) -> None:
        if length > len(self.stack):
            raise PickleRefused("its pickle is damaged")
        items = tuple(self.stack[-length:])
        self.stack[-length:] = [items]

    def extend(self, items: list) -> None:
        target = self.stack[-1]
        if not isinstance(target, list) or len(target) + len(items) > self.most_items:
            raise PickleRefused("it holds far more objects than its size allows")
        if any(isinstance(item, list | tuple) and not isinstance(item, Span) for item in items):
            raise PickleRefused("it nests lists, which no set does")
        target.extend(items)

    def put(self, key: int) -> None:
        self.memo[key] = self.stack[-1]

    def get(self, key: int) -> None:
        self.stack.append(self.memo[key])

    def boolean_or_int(self) -> None:
        text = self.line()
        self.stack.append(text == "01" if text in ("00", "01") else int(text))

    # --- names, and the objects made with them ---
    def name(self, module: str, name: str) -> None:
        if (module, name) not in NAMES:
            raise PickleRefused(f"it asks for {module}.{name}, which no set needs: it may be an attack")
        self.stack.append(Name(module, name))

    def stack_name(self) -> None:
        name, module = self.short_text(self.stack.pop()), self.short_text(self.stack.pop())
        self.name(module, name)

    def reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, Name) or type(arguments) is not tuple:
            raise PickleRefused("it calls something that is not a function")
        makers: dict[str, Callable[..., object]] = {
            "_reconstruct": self._reconstruct,
            "dtype": self._dtype,
            "encode": self._encode,
            "scalar": self._scalar,
            "_frombuffer": self._from_buffer,
        }
        self.stack.append(makers[function.name](*arguments))

    def build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, DType):
            return  # byte order and alignment: irrelevant for single bytes
        if not isinstance(target, Array):
            raise PickleRefused("it sets the state of an object that has none")
        _version, shape, dtype, fortran, data = state
        if fortran and len(shape) > 1:
            raise PickleRefused("an array in it is stored by columns")
        self._fill(target, shape, dtype, data)

    def _reconstruct(self, _kind: object, _shape: object, _code: object) -> Array:
        return Array()

    def _dtype(self, code: object, *_options: object) -> DType:
        if (dtype := self.short_text(code)) not in DTYPES:
            raise PickleRefused(f"an array in it has elements of the type {dtype}")
        return DType(dtype)

    def _encode(self, text: Span, encoding: Span) -> Span:
        if self.short_text(encoding) not in ("latin1", "latin-1") or not text.text:
            raise PickleRefused("a string in it has an unknown encoding")
        return text._replace(latin=True)

    def _scalar(self, dtype: DType, data: Span) -> int:
        if int(dtype.code[1]) != 1 or self.length(data) != 1:
            raise PickleRefused(f"a number in it has the type {dtype.code}")
        return bytes_at(self.data, data)[0]

    def _from_buffer(self, data: Span, dtype: DType, shape: tuple, order: Span) -> Array:
        if self.short_text(order) != "C":
            raise PickleRefused("an array in it is stored by columns")
        return self._fill(Array(), shape, dtype, data)

    def _fill(self, array: Array, shape: tuple, dtype: DType, data: Span) -> Array:
        if not isinstance(data, Span) or not 1 <= len(shape) <= 3 or any(type(side) is not int for side in shape):
            raise PickleRefused("an array in it is damaged")
        count = int(dtype.code[1])
        for side in shape:
            count *= side
        if min(shape) < 0 or count != self.length(data):
            raise PickleRefused("an array in it does not have the size that it declares")
        array.shape, array.dtype, array.data = tuple(shape), dtype.code, data
        return array


Step = Callable[[_Interpreter], object]


def _push(value: object) -> Step:
    return lambda machine: machine.stack.append(value)


OPCODE_NAMES = {ord(opcode.code): opcode.name for opcode in pickletools.opcodes}
STOP = ord(".")
BY_OPCODE: dict[int | str, Step] = {
    0x80: lambda m: m.number("<B"),  # the protocol's number, which makes no difference here
    0x95: lambda m: m.number("<Q"),  # a frame's length
    "(": lambda m: m.marks.append(len(m.stack)),
    ")": _push(()),
    "]": lambda m: m.stack.append([]),
    "t": lambda m: m.stack.append(tuple(m.pop_mark())),
    0x85: lambda m: m.make_tuple(1),
    0x86: lambda m: m.make_tuple(2),
    0x87: lambda m: m.make_tuple(3),
    "a": lambda m: m.extend([m.stack.pop()]),
    "e": lambda m: m.extend(m.pop_mark()),
    "N": _push(None),
    0x88: _push(True),
    0x89: _push(False),
    "I": lambda m: m.boolean_or_int(),
    "K": lambda m: m.push_number("<B"),
    "M": lambda m: m.push_number("<H"),
    "J": lambda m: m.push_number("<i"),
    "U": lambda m: m.span("<B"),
    "T": lambda m: m.span("<i"),
    "C": lambda m: m.span("<B"),
    "B": lambda m: m.span("<I"),
    0x8E: lambda m: m.span("<Q"),
    0x96: lambda m: m.span("<Q"),
    "X": lambda m: m.span("<I", text=True),
    0x8C: lambda m: m.span("<B", text=True),
    0x8D: lambda m: m.span("<Q", text=True),
    "c": lambda m: m.name(m.line(), m.line()),
    0x93: lambda m: m.stack_name(),
    "R": lambda m: m.reduce(),
    "b": lambda m: m.build(),
    "q": lambda m: m.put(m.number("<B")),
    "r": lambda m: m.put(m.number("<I")),
    0x94: lambda m: m.put(len(m.memo)),
    "h": lambda m: m.get(m.number("<B")),
    "j": lambda m: m.get(m.number("<I")),
}
STEPS = {ord(code) if isinstance(code, str) else code: step for code, step in BY_OPCODE.items()}
