"""Class names: what a checkpoint says of the classes that its outputs stand for, in any of the usual ways.

Not here: whether they are those of a dataset (loading).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from engine import record_files
from engine.errors import EngineError

_WORDS = frozenset(
    [
        "classes",
        "class_names",
        "classnames",
        "class_list",
        "class_to_idx",
        "idx_to_class",
        "label_names",
        "labels",
        "names",
        "categories",
        "id2label",
        "label2id",
        "label_to_idx",
        "idx_to_label",
        "target_names",
        "vocab",
    ]
)
_MAX_NAME, _MAX_CLASSES, _MAX_TABLES = 200, 100_000, 500


def class_names(content: object) -> tuple[tuple[str, ...], ...]:
    """Every list of names in `content`, a checkpoint as it was read, in the order of the outputs."""
    return tuple(dict.fromkeys(_search(content, set())))


def _search(content: object, seen: set[int]) -> Iterator[tuple[str, ...]]:
    if not isinstance(content, Mapping) or id(content) in seen or len(seen) > _MAX_TABLES:
        return
    seen.add(id(content))
    for key, value in content.items():
        if isinstance(key, str) and key.lower() in _WORDS and (names := _names(value)):
            yield names
        elif isinstance(value, Mapping):
            yield from _search(value, seen)


def _names(value: object) -> tuple[str, ...]:
    """From a list, as JSON perhaps, name -> number or number -> name; () when it is none."""
    if isinstance(value, str):
        with suppress(EngineError):
            value = record_files.decode(value, list[str], what="A list of classes")
    if isinstance(value, Mapping):
        value = _in_order(value)
    if isinstance(value, str) or not isinstance(value, Sequence) or not 1 < len(value) <= _MAX_CLASSES:
        return ()
    names = tuple(name for name in value if isinstance(name, str) and 0 < len(name) <= _MAX_NAME)
    return names if len(names) == len(value) and len(set(names)) == len(names) else ()


def _in_order(table: Mapping[object, object]) -> list[object]:
    pairs = [(key, value) if isinstance(value, str) else (value, key) for key, value in table.items()]
    numbered = {str(number): name for number, name in pairs if isinstance(number, int | str)}
    places = [str(place) for place in range(len(table))]
    return [numbered[place] for place in places] if numbered.keys() == set(places) else []
