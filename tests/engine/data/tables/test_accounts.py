from pathlib import Path

import openpyxl
import pytest

from engine.data.staging.zips import StagedFile
from engine.data.tables.accounts import labelled, read_tables
from engine.data.tables.table_records import TableAccount, TableChoice

TEN = tuple(f"images/img_{place}.jpg" for place in range(10))
CLASSES = ("고양이", "개")


def accounts(
    folder: Path, tables: dict[str, str | bytes], *names: str, choice: TableChoice | None = None
) -> dict[str, TableAccount]:
    """The accounts of tables with these contents, beside images of these names."""
    staged = []
    for place, (name, content) in enumerate(tables.items()):
        path = folder / f"{place}.bin"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        staged.append(StagedFile(path=path, name=name))
    images = [StagedFile(path=folder / "x", name=name) for name in names]
    return {account.name: account for account in read_tables(staged, images, choice)}


def account(
    folder: Path, content: str | bytes, *names: str, called: str = "labels.csv", choice: TableChoice | None = None
) -> TableAccount:
    return accounts(folder, {called: content}, *names, choice=choice)[called]


def labels(account: TableAccount) -> dict[str, str]:
    return {row.file.name: row.label for row in account.rows}


def lines(line: str, head: str = "") -> str:
    """A table about TEN; `line` with {n}, {name}, {label} and {place} filled in."""
    filled = (line.format(n=n, name=f"img_{n}.jpg", label=CLASSES[n % 2], place=n % 2) for n in range(10))
    return "\n".join([*([head] if head else []), *filled, ""])


RIGHT = {name: CLASSES[place % 2] for place, name in enumerate(TEN)}


@pytest.mark.parametrize(
    ("called", "content"),
    [
        *(
            ("labels.csv", lines("{name},{label}", f"{file},{label}"))
            for file, label in (
                *(("file", "label"), ("id_code", "diagnosis"), ("Filename", "ClassId"), ("image", "choice")),
                *(("파일명", "라벨"), ("image ID", "class label"), ("foo", "bar")),
            )
        ),
        ("labels.csv", lines("{n},{label},images/{name}", "index,what,where")),
        ("labels.csv", lines("{name},{label}")),
        ("labels.csv", lines("TRAIN,gs://bucket/pets/{name},{label}")),
        ("labels.csv", lines("{name};{label}", "sep=;\nfile;label")),
        ("labels.csv", lines("{name},{place},{label}", "File,Label,Species")),
        ("labels.csv", lines("{name},{label},{n}.5,m", "file,kind,weight,by")),
        ("labels.tsv", lines("{name}\t{label}\t0\t0\t9\t9")),
        ("labels.txt", lines("images/{name} {label}")),
        ("labels.json", "{" + ",".join(lines('"{name}": "{label}"').split("\n")[:-1]) + "}"),
        ("labels.csv", lines("IMG_{n}.JPG,{label}", "a,b")),
        ("labels.csv", lines("img_00{n},{label}", "a,b")),
        ("labels.csv", lines("https://host.example/a%20b/{name}?x=1,{label}", "a,b")),
    ],
)
def test_tables_of_every_form_are_used(tmp_path: Path, called: str, content: str) -> None:
    result = account(tmp_path, content, *TEN, called=called)
    assert labels(result) == RIGHT
    assert result.sentence.startswith("Used for 10 images")


def test_workbooks_are_used(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for line in lines("{name},{label}", "파일,분류").split("\n")[:-1]:
        book.active.append(line.split(","))
    book.save(tmp_path / "book")
    assert labels(account(tmp_path, (tmp_path / "book").read_bytes(), *TEN, called="목록.xlsx")) == RIGHT


def test_one_hot_columns(tmp_path: Path) -> None:
    content = "filename, 개, 고양이\n" + "".join(f"img_{n}.jpg,{n % 2},{1 - n % 2}.0\n" for n in range(10))
    assert labels(account(tmp_path, content, *TEN, called="train/_classes.csv")) == RIGHT


def test_several_classes_an_image_are_no_labels(tmp_path: Path) -> None:
    content = "file,hat,coat,shoe\n" + "".join(f"img_{n}.jpg,1,{n % 2},{n % 3 % 2}\n" for n in range(10))
    result = account(tmp_path, content, *TEN)
    assert not result.rows and "several of 'hat', 'coat', 'shoe'" in result.sentence


@pytest.mark.parametrize(
    ("called", "content", "told"),
    [
        ("sample_submission.csv", lines("{name},{place}", "file,label"), "submission"),
        ("other.csv", lines("{name},4", "file,label"), "all its 10 lines say '4'"),
        ("other.csv", lines("{name},0.4,0.6", "file,cat,dog"), "'cat', 'dog' hold numbers"),
        ("test.csv", lines("{name}", "file"), "no column beside"),
        ("weather.csv", "day,rain\nmonday,1\nmonday,2\n", "no column names files"),
        ("README.txt", "This set was made\nby me. Have fun.\n", "not a table"),
        ("classes.txt", "cat\ndog\n", "list of 2 names"),
        ("empty.csv", "", "empty"),
        ("odd.json", "{", "damaged"),
        ("old.xls", b"\xd0\xcf\x11\xe0", "Save it as"),
        ("gone.csv", "file,label\npicture_1.jpg,ant\npicture_2.jpg,bee\n", "'picture_1.jpg'; the nearest name here is"),
        ("ids.csv", "id,label\n77,ant\n78,bee\n", "none of them is here: '77'"),
    ],
)
def test_a_table_that_is_not_used_says_why_beside_one_that_is(
    tmp_path: Path, called: str, content: str | bytes, told: str
) -> None:
    result = accounts(tmp_path, {called: content, "labels.csv": lines("{name},{label}", "a,b")}, *TEN)
    assert labels(result["labels.csv"]) == RIGHT
    assert not result[called].rows and told in result[called].sentence


def test_files_about_one_image_each_are_one_account(tmp_path: Path) -> None:
    result = accounts(tmp_path, {f"labels/img_{n}.json": '{"label": "x"}' for n in range(10)}, *TEN)
    assert [account.name for account in result.values()] == ["labels/img_0.json and 9 others"]


def test_numbers_get_the_names_that_a_list_gives(tmp_path: Path) -> None:
    tables = {"train.txt": lines("images/{name} {place}"), "classes.txt": "고양이\n개\n"}
    result = accounts(tmp_path, tables, *TEN)
    assert labels(result["train.txt"]) == RIGHT and "names" in result["classes.txt"].sentence
    counted = {"train.txt": tables["train.txt"], "class_indices.json": '{"개": 1, "고양이": 0}'}
    assert labels(accounts(tmp_path, counted, *TEN)["train.txt"]) == RIGHT


def test_rows_find_files_however_written_and_what_is_missing_is_said(tmp_path: Path) -> None:
    names = [f"d/img/{number}.jpg" for number in range(1, 6)]
    content = "file,label\nimg/1.jpg,ant\nhome/me/img/2.jpg,bee\n3,ant\nnowhere.jpg,bee\nimg/4.jpg,\n"
    result = account(tmp_path, content, *names, called="d/labels.csv")
    assert labels(result) == {"d/img/1.jpg": "ant", "d/img/2.jpg": "bee", "d/img/3.jpg": "ant"}
    assert ["nowhere.jpg" in result.notes[0], "d/img/4.jpg" in result.notes[1]] == [True, True]


def test_an_ambiguous_name_is_not_guessed(tmp_path: Path) -> None:
    content = "file,label\n1.jpg,ant\n2.jpg,bee\n3.jpg,ant\n"
    result = account(tmp_path, content, "a/1.jpg", "b/1.jpg", "b/2.jpg", "b/3.jpg")
    assert labels(result) == {"b/2.jpg": "bee", "b/3.jpg": "ant"} and "a/1.jpg and b/1.jpg" in result.notes[0]
    nothing = account(tmp_path, "file,label\n1.jpg,ant\n2.jpg,bee\n", "a/1.jpg", "b/1.jpg", "a/2.jpg", "b/2.jpg")
    assert not nothing.rows and nothing.missed and "more than one file" in nothing.sentence


def test_the_line_that_is_closer_to_a_name_counts(tmp_path: Path) -> None:
    content = "file,label\ncat/1.jpg,cat\ndog/1.jpg,dog\ncat/2.jpg,cat\n"
    assert labels(account(tmp_path, content, "dog/1.jpg", "cat/2.jpg")) == {"dog/1.jpg": "dog", "cat/2.jpg": "cat"}


def test_splits_and_groups(tmp_path: Path) -> None:
    content = "file,label,split,patient_id\n1.jpg,ant,train,p1\n2.jpg,bee,Validation,p2\n"
    result = account(tmp_path, content, "1.jpg", "2.jpg")
    assert [(row.split, row.group) for row in result.rows] == [("train", "p1"), ("val", "p2")]
    for called in ("test.csv", "testLabels.csv", "a/test/_classes.csv"):
        named = account(tmp_path, "file,label\n1.jpg,ant\n2.jpg,bee\n", "1.jpg", "2.jpg", called=called)
        assert [row.split for row in named.rows] == ["test", "test"]


def test_two_labels_of_one_image_are_a_decision(tmp_path: Path) -> None:
    result = account(tmp_path, "file,label\n1.jpg,ant\n1.jpg,bee\n2.jpg,bee\n2.jpg,bee\n", "1.jpg", "2.jpg")
    assert labels(result) == {"1.jpg": "ant", "2.jpg": "bee"}
    assert result.notes == ("1 image has two labels, such as 1.jpg; the first was taken: an image has one class here.",)


def test_whole_numbers_are_one_class_however_written(tmp_path: Path) -> None:
    result = account(tmp_path, "file,label\n1.jpg,1\n2.jpg,1.0\n3.jpg,2.0\n", "1.jpg", "2.jpg", "3.jpg")
    assert list(labels(result).values()) == ["1", "1", "2"] and "1 and 1.0" in result.notes[0]


def test_classes_are_cleaned(tmp_path: Path) -> None:
    content = "file,label\n1.jpg, \x07<b>ant</b>\n2.jpg,nan\n3.jpg,=1+1\n"
    result = account(tmp_path, content, "1.jpg", "2.jpg", "3.jpg")
    assert labels(result) == {"1.jpg": "_<b>ant</b>", "3.jpg": "=1+1"}


def test_lines_with_a_bad_byte_are_left_out_and_counted(tmp_path: Path) -> None:
    content = lines("{name},{label},{n}").encode() + b"img_1.jpg,\xff,\n"
    result = account(tmp_path, content, *TEN)
    assert labels(result) == RIGHT and "line 11" in result.notes[0] and "1 of its lines" in result.notes[1]


def test_columns_can_be_chosen_by_head_and_number(tmp_path: Path) -> None:
    content = "name,where,mood\nimg_0.jpg,in,sad\nimg_1.jpg,out,glad\nimg_2.jpg,in,glad\n"
    assert "'mood'" in account(tmp_path, content, *TEN).notes[-1] and account(tmp_path, content, *TEN).doubts
    for wanted in ("mood", "Mood", "3"):
        chosen = account(tmp_path, content, *TEN, choice=TableChoice(label_column=wanted))
        assert list(labels(chosen).values()) == ["sad", "glad", "glad"]
    wrong = account(tmp_path, content, *TEN, choice=TableChoice(label_column="colour"))
    assert not wrong.rows and "no column 'colour'; its columns are name, where, mood" in wrong.sentence


def test_a_table_about_something_else_is_set_aside(tmp_path: Path) -> None:
    tables = {"a.csv": "file,category\nimg_1.jpg,in\nimg_2.jpg,out\n", "labels.csv": lines("{name},{label}", "a,b")}
    result = accounts(tmp_path, tables, *TEN)
    assert labels(result["labels.csv"]) == RIGHT and "otherwise than labels.csv" in result["a.csv"].sentence
    assert len(labelled(result.values())) == 10


def test_tables_of_one_class_each_are_used_together(tmp_path: Path) -> None:
    tables = {"ants.csv": "file,label\n1.jpg,ant\n2.jpg,ant\n", "bees.csv": "file,label\n3.jpg,bee\n4.jpg,bee\n"}
    result = accounts(tmp_path, tables, "1.jpg", "2.jpg", "3.jpg", "4.jpg")
    assert [row.label for row in labelled(result.values())] == ["ant", "ant", "bee", "bee"]


def test_a_table_called_after_a_folder_is_about_its_images(tmp_path: Path) -> None:
    names = [
        f"Dataset {part}/{number:03d}.{ending}" for part in (1, 2) for number in (1, 2) for ending in ("bmp", "png")
    ]
    tables = {f"Class Labels of Dataset {part}.csv": f"image ID,class label\n1,{part}\n2,3\n" for part in (1, 2)}
    found = [labels(account) for account in accounts(tmp_path, tables, *names).values()]
    assert found == [{f"Dataset {part}/001.bmp": f"{part}", f"Dataset {part}/002.bmp": "3"} for part in (1, 2)]


def test_titles_and_remarks_above_a_table_are_not_its_head(tmp_path: Path) -> None:
    for above in ("# by me\n# 2026\n", "검사 결과,,\n,,\n"):
        result = account(tmp_path, above + lines("{name},{label},", "파일,판정,비고"), *TEN)
        assert labels(result) == RIGHT and not result.notes


def test_classes_that_name_several_are_said(tmp_path: Path) -> None:
    result = account(tmp_path, "file,label\n1.jpg,ant\n2.jpg,ant|bee\n", "1.jpg", "2.jpg")
    assert "'ant|bee'" in result.notes[0]


def test_a_guessed_encoding_is_a_doubt_and_a_bad_byte_is_none(tmp_path: Path) -> None:
    content = "file,label\n1.jpg,猫\n2.jpg,犬\n"
    guessed = account(tmp_path, content.encode("cp932"), "1.jpg", "2.jpg")
    assert list(labels(guessed).values()) == ["猫", "犬"] and guessed.doubts == guessed.notes
    damaged = account(tmp_path, content.encode() + b"3.jpg,\xff\n", "1.jpg", "2.jpg")
    assert not damaged.doubts and damaged.notes
