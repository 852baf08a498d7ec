import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.tables.decoding import decode_text
from engine.data.tables.dialects import text_sheets


def first(text: str) -> tuple[tuple[str, ...], ...]:
    return next(iter(text_sheets(text))).lines


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("before", ["", "\ufeff", "\n\n"])
def test_separators(separator: str, before: str) -> None:
    assert first(before + "file,label\n1.jpg,ant\n".replace(",", separator)) == (("file", "label"), ("1.jpg", "ant"))


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;"])
def test_the_line_that_excel_understands_is_no_content(line: str) -> None:
    assert first(f"{line}\r\nfile;label\r\n1.jpg;a,b\r\n") == (("file", "label"), ("1.jpg", "a,b"))


def test_decimal_commas_do_not_separate() -> None:
    assert first("f;l;w\n1.jpg;ant;0,5\n2.jpg;bee;1,5\n")[1] == ("1.jpg", "ant", "0,5")


def test_lists_by_blanks_are_offered_whole_and_in_parts() -> None:
    readings = [sheet.lines for sheet in text_sheets("my dir/1.jpg 0\nmy dir/2.jpg 1\n")]
    assert (("my dir/1.jpg", "0"), ("my dir/2.jpg", "1")) in readings
    assert (("my dir/1.jpg 0",), ("my dir/2.jpg 1",)) in readings


@pytest.mark.parametrize("text", ["", "\n \n", "\ufeff", "\0"])
def test_nothing_is_no_sheet(text: str) -> None:
    assert list(text_sheets(text)) == []


def test_a_quotation_that_never_ends_costs_no_more_than_its_line() -> None:
    text = 'file,label\n1.jpg,"ant\n' + "2.jpg,bee\n" * 20_000
    assert len(first(text)) > 20_000


def test_a_separator_inside_quotation_marks_is_none() -> None:
    assert first('"0","0",";"\n"0","0","0"\n') == (("0", "0", ";"), ("0", "0", "0"))
    assert first('"0","0",";0"\n"0","0",";"\n') == (("0", "0", ";0"), ("0", "0", ";"))


def test_sloppy_quotation_marks_are_read_all_the_same() -> None:
    assert first('file,label\n1.jpg,"ant" or bee\n2.jpg,bee\n')[2] == ("2.jpg", "bee")


CELLS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=2, max_size=6),
    separator=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_any_quoted_table_is_read_back(
    lines: list[tuple[str, str, str]], separator: str, encoding: str, quoting: int, end: str
) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=separator, quoting=quoting, lineterminator=end).writerows(lines)
    assert first(decode_text(written.getvalue().encode(encoding)).text) == tuple(lines)
