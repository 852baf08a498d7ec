"""Words for numbers, and names that cannot become Markdown."""

import re

import pytest

from pages.ui import text


@pytest.mark.parametrize(
    "name",
    [
        "[click](http://evil.example)",
        "<img src=x onerror=alert(1)>",
        ":red[alarm]",
        "**bold** _it_ `code` ~~gone~~",
        "$x^2$",
        "# title",
        "a\n\n- list",
        "&copy; | table",
    ],
)
def test_every_mark_of_markdown_is_escaped(name: str) -> None:
    escaped = text.md(name)
    bare = re.sub(r"\\[^a-z\s]", "", escaped)
    assert not set(bare) & set("\\`*_{}[]()<>#+-.!|~$:^=&"), f"{bare!r} is left bare in {escaped!r}"
    assert "\n" not in escaped


@pytest.mark.parametrize(
    "name",
    [":smile:", ":material/home:", "www.evil.example", "https://evil.example", "a->b", "x--y", "me@evil.example"],
)
def test_what_streamlit_replaces_after_escapes_is_broken_up(name: str) -> None:
    """Escapes are gone by then, so the literal text itself must no longer match; nothing visible is lost."""
    left = text.md(name).replace("\\", "")
    assert name not in left
    assert left.replace("\u2060", "") == name


def test_names_survive() -> None:
    assert text.md("고양이 개") == "고양이 개"
    assert text.md("colibrí 2") == "colibrí 2"


def test_hidden_marks_that_turn_the_reading_direction_are_dropped() -> None:
    assert text.plain("photo\u202egpj.exe\x00\x1b") == "photogpj.exe"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (text.count(0, "image"), "0 images"),
        (text.count(1, "image"), "1 image"),
        (text.count(2040, "image"), "2,040 images"),
        (text.count(3, "class"), "3 classes"),
        (text.count(2, "extra copy"), "2 extra copies"),
        (text.duration(-1), "0.0 s"),
        (text.duration(0.44), "0.4 s"),
        (text.duration(9.97), "10 s"),
        (text.duration(59.7), "1 min 00 s"),
        (text.duration(130), "2 min 10 s"),
        (text.duration(3599.6), "1 h 00 min"),
        (text.duration(11100), "3 h 05 min"),
        (text.bytes_(0), "0 B"),
        (text.bytes_(999), "999 B"),
        (text.bytes_(1000), "1.0 KB"),
        (text.bytes_(47_491_730), "47.5 MB"),
        (text.bytes_(999_600), "1.0 MB"),
        (text.bytes_(2e12), "2.0 TB"),
        (text.listing(["a"]), "a"),
        (text.listing(["a", "b"]), "a and b"),
        (text.listing(list("abcdefgh")), "a, b, c and 5 more"),
        (text.listing([]), ""),
    ],
)
def test_amounts_and_lists_in_words(words: str, said: str) -> None:
    assert words == said


def test_short_keeps_the_end_of_a_file_name() -> None:
    cut = text.short("a" * 80 + "_0042.jpg", 30)
    assert len(cut) == 30
    assert cut.endswith("_0042.jpg")


def test_short_names_stay_distinct_and_short() -> None:
    long = [f"{'a' * 40}{letter}{'b' * 40}" for letter in "xyz"]
    made = text.distinct(["cat", *long, "cat"], 30)
    assert len(set(made)) == 5
    assert all(len(name) <= 30 for name in made)
    assert text.distinct(["cat", "dog"]) == ["cat", "dog"]


def test_a_number_never_makes_a_name_that_another_has() -> None:
    assert sorted(text.distinct(["a (1)", "a", "a"])) == ["a (1)", "a (2)", "a (3)"]


def test_plotly_shows_a_name_as_it_is_written() -> None:
    assert text.plotly('say "hi" & it\'s\n<b>') == 'say "hi" &amp; it\'s &lt;b&gt;'
