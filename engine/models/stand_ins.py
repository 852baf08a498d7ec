"""Stand-ins: what takes the place of values of other classes while the tensors beside them are read.

None does anything. Not here: which classes a file names (pickle_scan).
"""

from collections import OrderedDict
from collections.abc import Callable

StandIn = Callable[..., object] | tuple[Callable[..., object], str]
"""A class, and the name in the file for which torch takes it."""


class Nothing:
    """For a value of any class, whatever it is made of: a name space, a number of numpy, a time, a path."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


Table: type = type("Table", (), {"__new__": lambda *_: OrderedDict()})
"""For a class that is a mapping: it makes a plain one, which keeps its items, because torch fills no other."""
Row: type = type("Row", (), {"__new__": lambda *_: []})
"""For a class that is a list: it makes a plain one."""
