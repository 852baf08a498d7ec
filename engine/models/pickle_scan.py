"""Pickle scan: what a pickle names, calls and builds, found by reading its instructions without following them.

Whatever is no tensor is then read as a stand-in that does nothing: no class that a file names is ever imported, and
nothing of it is ever called. Not here: reading the tensors, which torch does (weights_reader).
"""

import io
import pickletools
import sys
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import IO

from engine.errors import WeightsError
from engine.models.stand_ins import Nothing, Row, StandIn, Table

_VALUES = frozenset({"argparse", "collections", "datetime", "decimal", "enum", "fractions", "pathlib", "uuid"})
"""Modules of Python with values that checkpoints hold beside tensors; whatever else of Python is called might be a
program."""
_HARMLESS = frozenset({"types.SimpleNamespace", "functools.partial", "copyreg._reconstructor", "_codecs.encode"})
_BUILT_IN = frozenset(
    {"object", "list", "tuple", "dict", "set", "frozenset", "slice", "range", "complex", "str", "int"}
)
_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_DEEPEST, _WIDEST = 100, 1_000_000
"""Tuples within tuples: how deep, and how many things when each is followed, for a dictionary hashes all of them."""
_PICKLES = 4
"""With which a file of the older format begins: three of a few bytes, then what was saved."""
_CONSTANTS = frozenset({"NONE", "NEWTRUE", "NEWFALSE", "EMPTY_TUPLE", "EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET"})
_VALUES_GIVEN = frozenset({"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING"})
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
Instruction = tuple[str, object]


@dataclass(kw_only=True)
class Scan:
    """What a file names, `module.name`, in the order in which it does."""

    named: dict[str, type] = field(default_factory=dict)
    """With the stand-in that takes its place."""
    called: set[str] = field(default_factory=set)
    built: list[str] = field(default_factory=list)
    """Classes whose instances it holds."""

    def stand_ins(self) -> list[StandIn]:
        """For everything that is named; torch looks among its own names first."""
        return [(stand_in, name) for name, stand_in in self.named.items()]

    def objects(self) -> list[str]:
        """Classes of other people's code, the outermost first."""
        return [name for name in self.built if not _is_value(name) and not name.startswith("numpy.")]


def scan_file(path: Path, name: str) -> Scan:
    """The Scan of what torch.save wrote to `path`; `name` is what the person calls the file. WeightsError when it
    calls what could be a program, or would take for ever; ValueError or UnpicklingError when it is damaged."""
    scan = Scan()
    for instructions in _pickles(path):
        _follow(instructions, scan, name)
    if wrong := sorted(filter(_could_be_a_program, scan.called)):
        raise WeightsError(
            f"{name} holds a whole Python object ({wrong[0][:80]}), which could run any program when opened, so it is "
            f"refused. Save the tensors with torch.save(model.state_dict(), 'weights.pth') and bring that file."
        )
    return scan


def _pickles(path: Path) -> Iterator[Iterable[Instruction]]:
    with open(path, "rb") as file:
        if file.peek(4).startswith(b"PK"):
            with zipfile.ZipFile(file) as archive:
                (pickle,) = (record for record in archive.namelist() if record.rpartition("/")[2] == "data.pkl")
                yield _instructions(io.BytesIO(archive.read(pickle)))
            return
        for _ in range(_PICKLES):
            if file.peek(1):
                yield _instructions(file)


def _instructions(pickle: IO[bytes]) -> Iterator[Instruction]:
    return ((opcode.name, argument) for opcode, argument, _ in pickletools.genops(pickle))


def _could_be_a_program(name: str) -> bool:
    module = name.partition(".")[0]
    if module == "torch":  # a number in a small file would take gigabytes
        return name.endswith(("Tensor", "Storage"))
    return module in sys.stdlib_module_names and not _is_value(name)


def _is_value(name: str) -> bool:
    module, _, kind = name.partition(".")
    return module in _VALUES or name in _HARMLESS or (module == "builtins" and kind in _BUILT_IN)


@dataclass(frozen=True, slots=True)
class _Value:
    """A thing on the stack: the name that it is, or is made of, and how large a tuple."""

    name: str = ""
    depth: int = 0
    width: int = 1


_PLAIN = _Value()


def _follow(instructions: Iterable[Instruction], scan: Scan, name: str) -> None:
    """Keep a stack as unpickling would, of what things are called instead of the things."""
    stack: list[_Value] = []
    marks: list[int] = []
    memo: dict[object, _Value] = {}
    for code, argument in instructions:
        if code in _CONSTANTS or code in _VALUES_GIVEN:
            stack.append(_PLAIN)
        elif code in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif code in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif code == "MARK":
            marks.append(len(stack))
        elif code == "GLOBAL":
            stack.append(_Value(name=_named(str(argument), scan)))
        elif code in ("TUPLE", *_TUPLES):
            _join(stack, marks.pop() if code == "TUPLE" else len(stack) - _TUPLES[code], name)
        elif code not in ("PROTO", "STOP"):
            _use(code, stack, marks, scan=scan)


def _use(code: str, stack: list[_Value], marks: list[int], *, scan: Scan) -> None:
    """What is done to a thing that is there already: the arguments go, it stays."""
    if code in ("APPENDS", "SETITEMS"):
        del stack[marks.pop() :]
    elif code in ("APPEND", "SETITEM", "BUILD", "REDUCE", "NEWOBJ", "BINPERSID"):
        del stack[len(stack) - (2 if code == "SETITEM" else 1 if code != "BINPERSID" else 0) :]
    else:
        raise UnpicklingError(f"Unsupported operand {code}")
    name = stack[-1].name
    if code == "REDUCE":
        scan.called.add(name)
    elif code == "NEWOBJ" and name not in scan.built:
        scan.built.append(name)
    elif code in ("APPEND", "APPENDS", "SETITEM", "SETITEMS") and name:
        scan.named[name] = Row if code.startswith("APPEND") else Table


def _named(argument: str, scan: Scan) -> str:
    module, _, attribute = argument.partition(" ")
    name = f"{_PYTHON_2.get(module, module)}.{attribute}"
    scan.named.setdefault(name, Nothing)
    return name


def _join(stack: list[_Value], start: int, name: str) -> None:
    """A tuple of what stands from `start` on."""
    parts = stack[start:]
    depth = 1 + max((part.depth for part in parts), default=0)
    width = 1 + sum(part.width for part in parts)
    if depth > _DEEPEST or width > _WIDEST:
        raise WeightsError(f"{name} is made so that reading it would not end; no weights are. It is refused.")
    stack[start:] = [_Value(depth=depth, width=width)]
