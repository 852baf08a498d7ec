import pytest

from engine.data.tables.decoding import decode_text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp949"])
def test_what_spreadsheets_write_is_read_without_a_word(encoding: str) -> None:
    text = "파일명,라벨\n1.jpg,고양이\n2.jpg,강아지\n3.jpg,닭\n"
    assert decode_text(text.encode(encoding)).text == text
    assert decode_text(text.encode(encoding)).note == ""


@pytest.mark.parametrize(
    ("encoding", "words", "title"),
    [
        *(("cp932", words, "Japanese") for words in ("猫犬", "りんごみかん", "正常異常", "良品不良品")),
        *(("gbk", words, "Chinese GBK") for words in ("猫狗", "苹果香蕉", "正常异常")),
        *(("cp1252", words, "Western") for words in ("café thé", "Äpfel Birnen", "Año niño", "forêt")),
    ],
)
def test_other_encodings_are_no_rare_hangul_and_are_said(encoding: str, words: str, title: str) -> None:
    text = f"file,label\na.jpg,{words[: len(words) // 2]}\nb.jpg,{words[len(words) // 2 :]}\n"
    decoded = decode_text(text.encode(encoding))
    assert decoded.text == text and title in decoded.note and "UTF-8" in decoded.note


@pytest.mark.parametrize(
    "words", ["닭,꿩", "개,쥐", "꽃게,쭈꾸미", "정상,결함", "됐다,됩니다", "소나무,참나무,밤나무", "양호,불량"]
)
def test_korean_without_many_words_stays_korean(words: str) -> None:
    text = "".join(f"{place}.jpg;{word}\n" for place, word in enumerate(words.split(",")))
    assert decode_text(text.encode("cp949")).text == text


def test_names_of_files_decide() -> None:
    text = "1.jpg,똠\n쌰.jpg,햏\n"
    assert decode_text(text.encode("cp949"), ["쌰"]).text == text
    text = "챔.jpg,猫\n"
    assert decode_text(text.encode("gbk", "ignore"), []).text != text


def test_a_bad_byte_is_placed_and_the_rest_is_read() -> None:
    content = b"file,label\n" + "a.jpg,고양이\n".encode() * 5 + b"b.jpg,\xff\n" + "c.jpg,개\n".encode()
    decoded = decode_text(content)
    place = content.index(0xFF) + 1
    assert f"byte {place}, line 7" in decoded.note and decoded.text.count("고양이") == 5 and "c.jpg,개" in decoded.text


@pytest.mark.parametrize("content", [b"", b"\x00", b"\xff\xd8\xff\xe0\x00\x10JFIF", b"\xfe\xff\xff", bytes(range(256))])
def test_anything_has_some_text(content: bytes) -> None:
    assert isinstance(decode_text(content).text, str)
