"""A record comes back as it went; what is no such record is refused by name, in a sentence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.errors import DatasetError
from engine.record_files import read, write


@dataclass(frozen=True, kw_only=True)
class Thing:
    name: str
    sizes: tuple[int, ...] = ()
    shares: Mapping[str, float] = field(default_factory=dict)


def test_a_record_comes_back_equal(tmp_path: Path) -> None:
    thing = Thing(name="개와 고양이\n", sizes=(1, 2), shares={"é": 0.1})
    write(tmp_path / "thing.json", thing)
    assert read(tmp_path / "thing.json", Thing) == thing


def test_fields_of_a_later_version_are_left_aside_and_missing_ones_take_their_default(tmp_path: Path) -> None:
    (tmp_path / "thing.json").write_text('{"name": "a", "colour": "red"}')
    assert read(tmp_path / "thing.json", Thing) == Thing(name="a")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"name": 3}', b'{"sizes": []}', b'{"name": "a"', b'{"name": "\xff"}']
)
def test_what_is_no_record_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "thing.json").write_bytes(content)
    with pytest.raises(DatasetError, match=r"thing\.json is damaged or of another version"):
        read(tmp_path / "thing.json", Thing, error=DatasetError)
