"""Decoding: the bytes of a table as text, in the encoding that they are most likely in, and what is doubtful about it.

A short table says little about its encoding: the names of the files that it is about say more. Not here: what the text
means (dialects).
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import islice

BOMS = (b"\xff\xfe", b"\xfe\xff")
_MAX_BAD = 1 / 3
"""Of the characters beyond ASCII so many may be damaged in what still is UTF-8. Of Hangul in cp949 nine tenths read as
damaged."""
_COMMON_HANGUL = frozenset(
    "가각간갈감갑값강갖같개객거건걸검것겉게겨격견결겸경계고곡곤골곰곳공과관광괴교구국군굴굽궁권귀규균귤그극근글금급기긴길김깊까깎깨"
    "꺼꼬꽃꾸꿀꿈끄끝끼나낙난날남납낫낭낮내냄냉너널넓넘네년념노녹논놀농높놓뇌누눈뉴느늘능니닉님다단닫달닭담답당대댁더덕던덩데델도독"
    "돈돌동돼되된두둑둘둥뒤드득든들등디딩딸땅때떡또뚜뜨라락란람랑래랜량러럭런럼레력련렬령례로록론롬롱료루류륙률르른름릉리릭린릴림립"
    "링마막만말맛망맞매맥맨맵머먹먼멀메며면멸명모목몰몸못몽무묵문물뭉미민밀밑바박밖반받발밤밥방배백버번벌범법베벽변별병보복본볼봄봉부"
    "북분불붉붕브블비빈빌빗빙빛빠빨빵뼈뽑사삭산살삼상새색생샤서석선설섬성세센셀셔소속손솔송쇠쇼수숙순술숨숲쉬스슬습승시식신실심십싱쌀"
    "쌍써쓰씨아악안않알암압앙앞애액야약양어억언얼업없엉에엔여역연열염엽영예오옥온올옷와완왕외요욕용우욱운울움웅워원월위유육윤율은을음"
    "읍응의이익인일임입잎자작잔잘잠장재쟁저적전절점접정제조족존졸종좋좌죄주죽준줄중쥐즈증지직진질짐집징짜째쪽차착찬찰참창채책처척천철"
    "첨첩청체초촉촌총최추축춘출춤충취측층치칙친칠침카칼캐커컵코콩쿠퀴크큰클키타탁탄탈탐탑태택터테텍토톤통퇴투튜트특틀티파판팔패팩퍼페"
    "있었였했갔났됐됩꿩낙닥딱뱀벗벚붓뻐뿐솜숯쌈쓸옆윗잣짚쭈쭉찜챙칡탕팽펌펜폰핀핑햄햇헬홈횟휘흙룡룸맹멍멧밭벨볏겠꾀꿔낫넣녕눕닦댓덮됨딧뜰"
    "편평폐포폭표푸품풀풍프플피필하학한할함합항해핵행향허험현혈협형혜호혹혼홍화확환활황회획효후훈휴흉흐흑흰희히힘"
)


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """`note` is a sentence about what is doubtful, or empty; `guessed` says that all of the text is."""

    text: str
    note: str = ""
    guessed: bool = False


@dataclass(frozen=True, kw_only=True)
class _Encoding:
    codec: str
    title: str
    usual: Callable[[str], bool]
    """Whether a character is one that people write, rather than one that wrong bytes happen to be."""


def decode_text(content: bytes, names: Collection[str] = ()) -> Decoded:
    """`content` as text. `names` are those of the files beside it: an encoding in which some of them occur is right."""
    if content.startswith(BOMS):
        return Decoded(text=content.decode("utf-16", "replace"))
    if content[1:200:2].count(0) * 3 > len(content[1:200:2]) and len(content) > 8:
        return Decoded(text=content.decode("utf-16-le", "replace"))
    try:
        return Decoded(text=content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return _not_utf8(content, names, _place(content, error.start))


def _not_utf8(content: bytes, names: Collection[str], place: str) -> Decoded:
    text = content.decode("utf-8-sig", "replace")
    foreign = [character for character in text if character > "\x7f"]
    if foreign.count("\ufffd") <= _MAX_BAD * len(foreign):
        note = f"It is not all UTF-8 ({place}); the rest was read. Save it as CSV UTF-8."
        return Decoded(text=text, note=note)
    known = [name for name in names if not name.isascii()]
    best, share, encoding = Decoded(text=text.replace("\x00", "")), -1.0, None
    for candidate in _ENCODINGS:
        try:
            text = content.decode(candidate.codec)
        except UnicodeDecodeError:
            continue
        fits = 2.0 if any(name in text for name in known) else _usual(text, candidate.usual)
        if fits > share + 0.01 and not (encoding is _KOREAN and share >= 0.5 and fits < 2):
            best, share, encoding = Decoded(text=text), fits, candidate
    if encoding is _KOREAN and share >= 0.8:
        return best
    shown = "".join(dict.fromkeys(character for character in best.text if character > "\x7f"))[:8]
    as_what = f"it was read as {encoding.title} ({shown})" if encoding else "what is damaged was left out"
    note = f"It is not UTF-8 ({place}); {as_what}. If that is wrong, save it as CSV UTF-8."
    return Decoded(text=best.text, note=note, guessed=True)


def _place(content: bytes, at: int) -> str:
    line = content.count(b"\n", 0, at) + 1
    return f"byte {at + 1}, line {line}"


def _usual(text: str, usual: Callable[[str], bool]) -> float:
    """The share of the different characters beyond ASCII that are usual ones."""
    foreign = set(islice((character for character in text if character > "\x7f"), 20_000))
    return sum(map(usual, foreign)) / max(1, len(foreign))


def _lead(codec: str, first: int, last: int) -> Callable[[str], bool]:
    """Whether a character is in those rows of a two-byte code that hold the common ones."""

    def usual(character: str) -> bool:
        try:
            written = character.encode(codec)
        except UnicodeEncodeError:
            return False
        return len(written) == 2 and first <= written[0] <= last

    return usual


_KOREAN = _Encoding(codec="cp949", title="Korean Windows text", usual=_COMMON_HANGUL.__contains__)
_ENCODINGS: Sequence[_Encoding] = (
    _KOREAN,
    _Encoding(codec="cp932", title="Japanese Shift-JIS", usual=_lead("shift_jis", 0x81, 0x97)),
    _Encoding(codec="gb18030", title="Chinese GBK", usual=_lead("gb2312", 0xB0, 0xD7)),
    _Encoding(codec="cp1252", title="Western European text (Latin-1)", usual=str.isalpha),
    _Encoding(codec="big5", title="Chinese Big5", usual=_lead("big5", 0xA4, 0xC6)),
    _Encoding(codec="latin-1", title="Western European text (Latin-1)", usual=str.isalpha),
)
"""The likelier ones first. Korean needs a list of its own: GBK writes Chinese with the bytes of Hangul (KS X 1001)."""
