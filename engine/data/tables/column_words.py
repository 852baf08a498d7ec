"""Column words: what people call the columns of a table of labels, in English and Korean. Names only break ties."""

import re
from collections.abc import Sequence

FILE_WORDS = (
    *("file", "filename", "filedir", "filepath", "path", "image", "imagepath", "imagename", "imageid"),
    *("imagefile", "img", "imgpath", "imgname", "imgid", "picture", "photo", "id", "idcode", "key"),
    *("url", "파일", "파일명", "파일이름", "파일경로", "경로", "이미지", "이미지명", "이미지파일"),
    *("이미지경로", "사진", "사진명", "아이디"),
)
LABEL_WORDS = (
    *("label", "labels", "class", "classes", "category", "target", "classname", "labelname"),
    *("categoryname", "classlabel", "classid", "labelid", "categoryid", "targetname", "diagnosis", "dx"),
    *("breed", "species", "choice", "choices", "groundtruth", "gt", "y", "라벨", "라벨명", "레이블"),
    *("클래스", "클래스명", "분류", "종류", "품종", "정답", "범주", "카테고리", "진단", "진단명", "등급"),
    *("유형", "판정"),
)
SPLIT_COLUMN_WORDS = (
    *("split", "subset", "set", "fold", "partition", "usage", "mluse", "dataset", "분할", "구분", "용도"),
    *("데이터구분",),
)
GROUP_WORDS = (
    *("group", "groupid", "groups", "patient", "patientid", "subject", "subjectid", "person", "personid"),
    *("individual", "lesionid", "caseid", "case", "video", "videoid", "slide", "slideid", "session"),
    *("sender", "그룹", "환자", "환자번호", "환자id", "사람", "대상자", "피험자"),
)
_NUMBERED = re.compile(r"(?:\.\d+)+(?=\.|$)")


def rank(head: str, words: Sequence[str]) -> int:
    """The place of `head` in `words`, without capitals, blanks and what leads to it in a JSON record; past the end
    where it is not there."""
    last = _NUMBERED.sub("", head).rpartition(".")[2].casefold()
    word = re.sub(r"[^\w]|_", "", last)
    return words.index(word) if word in words else len(words)


def is_one_of(head: str, words: Sequence[str]) -> bool:
    return rank(head, words) < len(words)
