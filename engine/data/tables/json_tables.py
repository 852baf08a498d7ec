"""JSON tables: maps of files to classes or of classes to files, lists of records, and annotations as COCO writes them.

Not here: which of the columns are meant (columns).
"""

from collections.abc import Iterator, Mapping, Sequence

from engine.data.file_names import clean_text
from engine.data.tables.sheets import Sheet, sheet_of
from engine.errors import DatasetError
from engine.record_files import decode

_DEPTH, _WIDTH = 12, 200
"""How deep records are looked into, and how many of their values become columns."""


def json_sheets(content: bytes) -> Iterator[Sheet]:
    """The sheets that the JSON in `content` may mean, or a JSON value a line. DatasetError for what is no JSON."""
    try:
        value = decode(content, object, what="It", error=DatasetError)
    except DatasetError:
        lines = [line for line in content.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        value = [decode(line, object, what="It", error=DatasetError) for line in lines]
    yield from _sheets(value, 3)


def _sheets(value: object, depth: int) -> Iterator[Sheet]:
    if isinstance(value, list):
        yield from _of_list(value)
    elif isinstance(value, dict):
        parts = {str(key): part for key, part in value.items()}
        if sheet := _of_coco(parts):
            yield sheet
        yield from _of_map(parts)
        if depth:
            for part in sorted(parts.values(), key=lambda part: -_length(part))[:5]:
                yield from _sheets(part, depth - 1)


def _of_list(value: Sequence[object]) -> Iterator[Sheet]:
    records = [_flat(record) for record in value if isinstance(record, dict)]
    if records:
        yield _of_records(records)
    elif value and all(isinstance(line, list) for line in value):
        yield sheet_of([[_text(cell) for cell in line] for line in value if isinstance(line, list)])
    elif value and not any(isinstance(part, list) for part in value):
        yield sheet_of([[_text(part)] for part in value])


def _of_map(parts: Mapping[str, object]) -> Iterator[Sheet]:
    """`{file: class}`, `{class: [files]}`, `{column: [cells]}` and what pandas makes of it, `{file: record}`."""
    values = list(parts.values())
    if len(values) > 1 and not any(isinstance(part, dict | list) for part in values):
        yield sheet_of([[name, _text(part)] for name, part in parts.items()])
    elif values and all(isinstance(part, list) for part in values):
        lists = {name: part for name, part in parts.items() if isinstance(part, list)}
        yield sheet_of([[_text(cell), name] for name, part in lists.items() for cell in part])
        if len({len(part) for part in lists.values()}) == 1:
            columns = [[_text(cell) for cell in part] for part in lists.values()]
            yield sheet_of(list(zip(*columns, strict=True)), list(lists))
    elif values and all(isinstance(part, dict) for part in values):
        records = {name: part for name, part in parts.items() if isinstance(part, dict)}
        yield _of_records([{"": name} | _flat(record) for name, record in records.items()])
        first, *others = records.values()
        if all(record.keys() == first.keys() for record in others):
            cells = [[_text(record[key]) for record in records.values()] for key in first]
            yield sheet_of(cells, list(records))


def _of_coco(parts: Mapping[str, object]) -> Sheet | None:
    """One line an annotation: the file, and the name of the category."""
    images, annotations, categories = (_records(parts.get(key)) for key in ("images", "annotations", "categories"))
    if not images or not annotations:
        return None
    files = {record.get("id"): record.get("file_name", "") for record in images}
    names = {record.get("id"): record.get("name", "") for record in categories}
    pairs = [(record.get("image_id"), record.get("category_id", "")) for record in annotations]
    lines = [[files.get(image, ""), names.get(category, category)] for image, category in pairs]
    return sheet_of(list(dict.fromkeys(map(tuple, lines))), ("file_name", "category"))


def _records(value: object) -> list[dict[str, str]]:
    return [_flat(part) for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def _of_records(records: Sequence[Mapping[str, str]]) -> Sheet:
    head = list(dict.fromkeys(name for record in records[:1000] for name in record))[:_WIDTH]
    return sheet_of([[record.get(name, "") for name in head] for record in records], head)


def _flat(value: Mapping[object, object]) -> dict[str, str]:
    """The single values of a record, under the way to them; of a list the first."""
    found: dict[str, str] = {}
    waiting: list[tuple[str, object, int]] = [("", value, 0)]
    while waiting and len(found) < _WIDTH:
        name, part, depth = waiting.pop(0)
        if isinstance(part, dict | list) and depth >= _DEPTH:
            continue
        if isinstance(part, dict):
            inner = [(f"{name}.{key}" if name else str(key), one, depth + 1) for key, one in part.items()]
            waiting[:0] = inner[:_WIDTH]
        elif isinstance(part, list):
            waiting[:0] = [(name, one, depth + 1) for one in part[:1]]
        else:
            found[name] = _text(part)
    return found


def _length(value: object) -> int:
    return len(value) if isinstance(value, list | dict) else 0


def _text(value: object) -> str:
    if isinstance(value, list) and len(value) == 1:
        return _text(value[0])
    if value is None or isinstance(value, dict | list):
        return ""
    return clean_text(str(value))
