"""What is printed stands straight, whatever script a name is written in."""

from unicodedata import normalize

import pytest

from engine.cli.printer import Printer, columns, display_width

KOREAN = "고양이"


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("cat", 3),
        (KOREAN, 6),
        (normalize("NFD", KOREAN), 6),  # as macOS writes file names
        ("e\u0301te\u0301", 3),
        ("\uff21", 2),
        ("a\u200db", 2),
        ("", 0),
    ],
)
def test_width_is_that_of_the_terminal(text: str, width: int) -> None:
    assert display_width(text) == width


def test_columns_of_korean_names_begin_at_the_same_place(capsys: pytest.CaptureFixture[str]) -> None:
    columns([{"name": KOREAN, "total": 1200}, {"name": "dog", "total": None}])
    assert capsys.readouterr().out.splitlines() == ["name    total", "고양이  1,200", "dog     -"]


def test_people_and_programs_get_the_same_rows(capsys: pytest.CaptureFixture[str]) -> None:
    for json in (False, True):
        Printer(json=json).table([], ("name",), empty="Nothing yet.")
        Printer(json=json).table([{"name": KOREAN, "share": float("nan")}], ("name",), empty="")
    assert capsys.readouterr().out.splitlines() == ["Nothing yet.", "name", KOREAN, '{"name":"고양이","share":null}']
