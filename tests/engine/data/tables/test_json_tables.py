import json

import pytest

from engine.data.tables.json_tables import json_sheets
from engine.errors import DatasetError

PAIRS = [["1.jpg", "ant"], ["2.jpg", "bee"]]
RECORDS = [{"id": 7, "file": name, "label": label} for name, label in PAIRS]


def coco() -> object:
    images = [{"id": place, "file_name": name} for place, (name, _) in enumerate(PAIRS)]
    annotations = [{"image_id": place, "category_id": place + 5} for place in range(2)]
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 5, "name": "ant"}, {"id": 6, "name": "bee"}],
    }


@pytest.mark.parametrize(
    "value",
    [
        dict(PAIRS),
        {"ant": ["1.jpg"], "bee": ["2.jpg"]},
        RECORDS,
        {"info": {"by": "me"}, "data": {"items": RECORDS}},
        {"labels": PAIRS},
        {"file": ["1.jpg", "2.jpg"], "label": ["ant", "bee"]},
        {"file": {"0": "1.jpg", "1": "2.jpg"}, "label": {"0": "ant", "1": "bee"}},
        {name: {"label": label, "size": 3} for name, label in PAIRS},
        [{"data": {"image": name}, "annotations": [{"value": {"choices": [label]}}]} for name, label in PAIRS],
        coco(),
    ],
)
def test_a_column_of_names_and_one_of_classes_are_found_in(value: object) -> None:
    columns = [column for sheet in json_sheets(json.dumps(value).encode()) for column in zip(*sheet.lines, strict=True)]
    assert ("1.jpg", "2.jpg") in columns and ("ant", "bee") in columns


def test_a_value_a_line() -> None:
    sheets = list(json_sheets("\n".join(map(json.dumps, RECORDS)).encode()))
    assert sheets[0].head == ("id", "file", "label") and sheets[0].lines[1] == ("7", "2.jpg", "bee")


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"not json\nat all"])
def test_what_is_no_json_is_refused(content: bytes) -> None:
    with pytest.raises(DatasetError):
        list(json_sheets(content))


@pytest.mark.parametrize("content", [b"1", b"{}", b"[]", b'"x"', b"[[[]]]", b'{"a": {"b": {"c": {"d": {}}}}}'])
def test_what_is_no_table_has_no_lines(content: bytes) -> None:
    assert not [sheet for sheet in json_sheets(content) if sheet.lines and len(sheet.lines[0]) > 1]
