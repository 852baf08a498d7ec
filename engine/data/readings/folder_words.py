"""Folder words: what the name of a folder says of its part in a dataset: a split, a container, unlabelled, decoration.

English and Korean. Knows one name at a time; whether its neighbours confirm it is for the roles to find out.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from engine.data.dataset_records import Split
from engine.data.readings.split_words import SPLIT_WORDS


def _vocabulary(words: str) -> frozenset[str]:
    return frozenset(words.split())


_CONTAINERS = _vocabulary(
    "set sets data dataset datasets image images img imgs photo photos picture pictures pics folder folders dir "
    "files jpg jpeg png jpegimages 원천 원본 이미지 사진 데이터 데이터셋 자료"
)
_FILLERS = _vocabulary("seg raw original source resized cropped small full all px x v new final")
"""Say nothing beside another word; alone they may be a class."""
_UNLABELLED = _vocabulary(
    "unlabeled unlabelled unannotated unsup unsupervised nolabel nolabels pred predict prediction predictions "
    "inference submission 미라벨 라벨없음 예측 추론"
)
_DECORATION = _vocabulary(
    "doc docs asset assets static figure figures fig figs screenshot screenshots readme scripts src thumbs "
    "thumbnails preview previews logo logos icons results output outputs example examples sample samples plots "
    "reports"
)
_MASKS = _vocabulary(
    "mask masks annotation annotations groundtruth gt segmentation segmentations label labels xml 라벨 라벨링"
)
_ENGLISH_TAIL = re.compile(r"(?:dataset|set|data|images|image|imgs|img|folder)+$")
_KOREAN_TAIL = re.compile(r"(?:데이터셋|데이터|세트|셋|이미지|사진|폴더|자료|용)+$")
_SERIAL = re.compile(r"^(.*?)[\s_.-]*(\d{1,4})$", re.DOTALL)
_CLASS_WORDS = _vocabulary("class classes cls category label grade type stage level 등급 종류 단계 유형")
_PART_WORDS = _vocabulary(
    "part parts fold folds batch split person subject patient session day video clip scene camera cam site "
    "user case group subj pat p s 사람 환자 피험자"
)


def split_word(name: str) -> Split | None:
    """The split that a folder is called after, without digits, punctuation and containers: `1.Training`, `seg_test`."""
    words = _words(name)
    return SPLIT_WORDS.get(words[0]) if words and len(set(words)) == 1 else None


def splits_among(names: Sequence[str]) -> dict[str, Split]:
    """Those of the siblings that are called like splits, alone or after the same word: `pets_train, pets_test`."""
    found = {name: split for name in names if (split := split_word(name))}
    parted: dict[tuple[str, ...], dict[str, Split]] = {}
    for name in names:
        words = _words(name)
        marks = [word for word in words if word in SPLIT_WORDS]
        if len(marks) == 1 and len(words) > 1:
            parted.setdefault(tuple(word for word in words if word not in marks), {})[name] = SPLIT_WORDS[marks[0]]
    alike = next(iter(parted.values()), {})
    return found | alike if len(parted) == 1 and len(set(alike.values())) > 1 else found


def mentions_split(name: str) -> bool:
    return any(word in SPLIT_WORDS for word in _words(name))


def is_container(name: str) -> bool:
    """Whether it says no more than that images are in it: `images`, `dataset_2`, `원천데이터`."""
    return any(map(str.isalpha, name)) and not _words(name)


def is_unlabelled(name: str) -> bool:
    return "".join(_words(name)) in _UNLABELLED or any(word in _UNLABELLED for word in _words(name))


def is_decoration(name: str) -> bool:
    words = _words(name)
    return bool(words) and all(word in _DECORATION for word in words)


def is_of_masks(name: str) -> bool:
    words = _words(name)
    return bool(words) and ("".join(words) in _MASKS or all(word in _MASKS for word in words))


def is_odd_class_name(name: str) -> bool:
    """Whether a class is hardly called so."""
    return split_word(name) is not None or is_container(name) or is_unlabelled(name) or is_decoration(name)


def are_serial(names: Sequence[str]) -> bool:
    """Whether they are one word and a number, as members of a group are called: `p01, p02`, `fold 1, fold 2`."""
    found = [_SERIAL.match(name) for name in names]
    prefixes = {match[1].casefold() for match in found if match}
    if len(names) < 2 or None in found or len(prefixes) > 1:
        return False
    prefix = prefixes.pop()
    return any(map(str.isalpha, prefix)) and not _CLASS_WORDS.intersection(re.findall(r"[^\W\d_]+", prefix))


def are_dates(names: Sequence[str]) -> bool:
    """Whether they are years or dates: `2019, 2020`, `2024-05-01`."""
    return len(names) > 1 and all(re.match(r"(?:19|20)\d\d(?:[\W_]?\d+)*$", name) for name in names)


def are_parts(names: Sequence[str]) -> bool:
    """Whether they are numbered as parts of a set or as persons are: `part_1, part_2`, `patient7, patient8`."""
    return are_serial(names) and not _PART_WORDS.isdisjoint(_words(names[0])[-1:])


@lru_cache(maxsize=4096)
def _words(name: str) -> tuple[str, ...]:
    """The words of `name` that are no container, in lower case: `TrainData` -> train, `학습용 데이터` -> 학습."""
    found = []
    for word in re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold()):
        short = _KOREAN_TAIL.sub("", _ENGLISH_TAIL.sub("", word))
        word = short if short in SPLIT_WORDS or short in _MASKS or short in _CONTAINERS or not short else word
        if word and word not in _CONTAINERS:
            found.append(word)
    return tuple(word for word in found if word not in _FILLERS) or tuple(found)
