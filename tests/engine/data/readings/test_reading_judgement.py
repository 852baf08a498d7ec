import itertools
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.readings.folder_readings import by_folder
from engine.data.readings.judgement import Judged, judged
from engine.data.readings.name_reading import by_name
from engine.data.staging.unpacking import StagedFile
from engine.errors import DatasetError


def judge(spec: str, asked: str = "") -> Judged:
    """Of `folder:images` or `folder:images:name` words; a name without a number gets one."""
    names: list[str] = []
    for word in spec.split():
        folder, count, *stem = word.split(":")
        names += [f"{folder}/{''.join(stem) or 'IMG_'}{number}.jpg".removeprefix("./") for number in range(int(count))]
    return judge_names(names, asked)


def judge_names(names: list[str], asked: str = "") -> Judged:
    files = [StagedFile(path=Path("x"), name=name) for name in names]
    return judged([*by_folder(files), *by_name(files)], asked=asked)


def counted(result: Judged) -> dict[str, int]:
    return dict(result.reading.classes)


def splits(result: Judged) -> dict[str, int]:
    return dict(Counter(str(entry.given) for entry in result.reading.entries))


CERTAIN = {
    "course set": "dataset/training_set/cats:6 dataset/training_set/dogs:6 dataset/test_set/cats:3 "
    "dataset/test_set/dogs:3 dataset/single_prediction:2",
    "doubled split folders": "seg_train/seg_train/cats:6 seg_train/seg_train/dogs:6 seg_test/seg_test/cats:3 "
    "seg_test/seg_test/dogs:3 seg_pred/seg_pred:4",
    "a word before the split": "asl_train/asl_train/cats:6 asl_train/asl_train/dogs:6 asl_test/cats:3 asl_test/dogs:3",
    "blanks": "Train_Data/cats:6 Train_Data/dogs:6 Testing_Data/cats:3 Testing_Data/dogs:3",
    "korean": "학습/cats:6 학습/dogs:6 테스트/cats:3 테스트/dogs:3",
    "korean with endings": "학습용_데이터/cats:6 학습용_데이터/dogs:6 평가용_데이터/cats:3 평가용_데이터/dogs:3",
    "numbered, in containers": "1.Training/원천데이터/cats:6 1.Training/원천데이터/dogs:6 "
    "2.Test/원천데이터/cats:3 2.Test/원천데이터/dogs:3",
    "images below each class": "train/cats/images:6 train/dogs/images:6 test/cats/images:3 test/dogs/images:3",
    "splits inside classes": "cats/train:6 cats/test:3 dogs/train:6 dogs/test:3",
    "documentation beside": "pets-main/data/train/cats:6 pets-main/data/train/dogs:6 pets-main/data/test/cats:3 "
    "pets-main/data/test/dogs:3 pets-main/docs/img:2 pets-main/assets:1 pets-main:1",
    "train at the top": "cats:6 dogs:6 test/cats:3 test/dogs:3",
    "a copy of itself": "x/train/cats:6 x/train/dogs:6 x/test/cats:3 x/test/dogs:3 x/x/train/cats:6 x/x/train/dogs:6 "
    "x/x/test/cats:3 x/x/test/dogs:3",
}


@pytest.mark.parametrize("spec", CERTAIN.values(), ids=CERTAIN)
def test_splits_are_splits_however_they_are_called(spec: str) -> None:
    result = judge(spec)
    assert counted(result) == {"cats": 9, "dogs": 9} and splits(result) == {"train": 12, "test": 6}
    assert not result.reading.doubts and "train and test as given" in result.reading.sentence


WITHOUT_SPLIT = {
    "unlabelled beside train": "train/cats:6 train/dogs:6 unlabeled:4",
    "a flat test": "train/cats:5 train/dogs:5 test:14",
    "val and test in a folder of images": "train/cats/images:5 train/dogs/images:5 val/images:4 test/images:4",
    "documentation": "pets-main/data/cats:9 pets-main/data/dogs:9 pets-main/docs/img:2 pets-main/assets:1",
    "masks beside images": "images/cats:9 images/dogs:9 masks/cats:9 masks/dogs:9",
    "masks inside classes": "cats/images:9 cats/masks:9 dogs/images:9 dogs/masks:9",
    "a copy": "set/cats:9 set/dogs:9 set/set/cats:9 set/set/dogs:9",
}


@pytest.mark.parametrize("spec", WITHOUT_SPLIT.values(), ids=WITHOUT_SPLIT)
def test_what_has_no_class_is_set_aside_by_a_reason(spec: str) -> None:
    result = judge(spec)
    assert list(counted(result)) == ["cats", "dogs"] and splits(result).keys() == {"None"}
    assert result.reading.aside and not result.reading.doubts


def test_persons_are_groups_and_not_classes() -> None:
    result = judge("p01/ok:3 p01/ng:3 p02/ok:3 p02/ng:3 p03/ok:3")
    assert counted(result) == {"ng": 6, "ok": 9} and not result.reading.doubts
    assert {entry.group for entry in result.reading.entries} == {"p01", "p02", "p03"}
    assert "3 groups such as p01" in result.reading.sentence
    inner = judge("ok/p01:3 ok/p02:3 ng/p01:3 ng/p02:3")
    assert counted(inner) == {"ng": 6, "ok": 6} and {entry.group for entry in inner.reading.entries} == {"p01", "p02"}


def test_the_other_reading_is_one_word_away() -> None:
    result = judge("p01/ok:3 p01/ng:3 p02/ok:3 p02/ng:3")
    (rival,) = result.rivals
    assert rival.key == "1" and dict(rival.classes) == {"p01": 6, "p02": 6}
    asked = judge("p01/ok:3 p01/ng:3 p02/ok:3 p02/ng:3", asked="1")
    assert counted(asked) == {"p01": 6, "p02": 6} and [rival.key for rival in asked.rivals] == ["2"]
    with pytest.raises(DatasetError, match=r"'7'.*: 2, parent, 1"):
        judge("p01/ok:3 p01/ng:3 p02/ok:3 p02/ng:3", asked="7")


ASKED = {
    "classes with kinds inside": ("cat/persian:4 cat/siamese:4 dog/pug:4 dog/beagle:4", "inside them"),
    "only one has kinds inside": ("cat/persian:4 cat/siamese:4 dog:4", "subfolders"),
    "the same words inside": ("apple/fresh:4 apple/rotten:4 pear/fresh:4 pear/rotten:4", "all hold the folders"),
    "a class called train": ("train:9 bus:9 car:9", "train would be a class"),
    "a class called valid": ("valid:9 invalid:9", "valid would be a class"),
    "a flat test beside classes": ("cat:9 dog:9 test:4", "called like a split"),
    "split and class in one name": ("train_cat:9 train_dog:9 test_cat:3 test_dog:3", "called like a split"),
    "parts": ("part_1:5:ISIC part_2:5:ISIC", "numbered like parts"),
    "a class that train lacks": ("train/a:5 train/b:5 test/a:2 test/b:2 test/c:2", "There is c in test"),
    "a class that test lacks": ("train/a:5 train/b:5 test/a:2", "b stands in train only"),
    "more of the same": ("train/a:5 train/b:5 val/a:2 val/b:2 extra/a:3 extra/b:3", "extra holds folders"),
    "names of files": ("train:9:cat. train:9:dog. test1:6:x", "names of the files"),
}


@pytest.mark.parametrize(("spec", "words"), ASKED.values(), ids=ASKED)
def test_what_may_be_meant_otherwise_is_asked(spec: str, words: str) -> None:
    assert any(words in doubt for doubt in judge(spec).reading.doubts)


@pytest.mark.parametrize("name", ["cat.{}.jpg", "cat_{:03d}.jpg", "cat ({}).png", "{}_cat.jpg", "cat-{}.jpg"])
def test_classes_in_names_are_found_where_no_folder_tells_any(name: str) -> None:
    names = [name.format(number) for number in range(5)]
    result = judge_names([f"images/{name.replace('cat', label)}" for name in names for label in ("cat", "wild dog")])
    assert counted(result) == {"cat": 5, "wild dog": 5} and result.reading.key == "name"


def test_numbered_photographs_tell_no_class() -> None:
    assert not by_name([StagedFile(path=Path("x"), name=f"a/IMG_{number}.jpg") for number in range(9)])


def test_folders_that_are_only_splits_are_refused_unless_insisted_on() -> None:
    with pytest.raises(DatasetError, match="--classes-at 1"):
        judge("train_images:9 test_images:5")
    assert counted(judge("train_images:9 test_images:5", asked="1")) == {"test_images": 5, "train_images": 9}


WORDS = st.lists(
    st.sampled_from(("cats", "dogs", "제품 불량", "Ünïcode", "[x](y)", "00", "a.b")), min_size=2, unique=True
)
CLASSES = (
    *(["0", "1", "2"], ["c0", "c1"], ["train", "bus", "car"], ["valid", "invalid"], ["mask", "no_mask"]),
    *(["sample", "blank"], ["small", "large"], ["test tube", "flask"], ["n01443537", "n01629819"], ["정상", "불량"]),
)
SPLITS = (
    *(
        ("train", "test"),
        ("Training", "Validation"),
        ("seg_train", "seg_val"),
        ("훈련", "시험"),
        ("학습데이터", "평가데이터"),
    ),
    *(("1.train", "2.test"), ("Train Data", "Testing Data"), ("pets_train", "pets_test"), ("train2017", "val2017")),
)
GROUPS = ([""], ["p01", "p02"], ["2019", "2020"], ["Seoul", "Busan"], ["person_1", "person_2", "person_3"])
NOISE = (
    "docs/logo.jpg",
    "unlabeled/1.jpg",
    "예측/2.jpg",
    "cover.jpg",
    "screenshots/1.jpg",
    "images/1.jpg",
    "extra/1.jpg",
)
BOXES = st.sampled_from(("", "images", "원천데이터"))


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    classes=st.sampled_from(CLASSES) | WORDS,
    parts=st.sampled_from((("",), *SPLITS)),
    groups=st.sampled_from(GROUPS),
    wrappers=st.lists(st.sampled_from(("my set", "data", "v2", "archive", "train")), max_size=2),
    boxes=st.tuples(BOXES, BOXES),
    noise=st.sets(st.sampled_from(NOISE), max_size=2),
    order=st.permutations(("part", "group", "label")),
)
def test_a_tree_is_read_right_or_asked_about(
    classes: list[str],
    parts: tuple[str, ...],
    groups: list[str],
    wrappers: list[str],
    boxes: tuple[str, str],
    noise: set[str],
    order: list[str],
) -> None:
    truth: dict[str, str] = {}
    for part, group, label in itertools.product(parts, groups, classes):
        named = {"part": part, "group": group, "label": label}
        inner = (*wrappers, boxes[0], *(named[which] for which in order), boxes[1])
        folder = "/".join(name for name in inner if name)
        truth |= {f"{folder}/IMG_{number}.jpg": label for number in range(3)}
    stray = ["/".join((*wrappers, name)) for name in noise if len(parts) > 1 or name != "extra/1.jpg"]
    result = judge_names(sorted({*truth, *stray})).reading
    found = {entry.file.name: entry.label for entry in result.entries}
    assert found == truth or result.doubts, result
