import unicodedata

import pytest

from engine.data.file_names import clean_name, decode_names, stand_in, system_file, system_folder


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ants/a.jpg", "ants/a.jpg"),
        ("./ants//a.jpg", "ants/a.jpg"),
        ("ants\\sub\\a.jpg", "ants/sub/a.jpg"),
        (" ants /a.jpg", "ants/a.jpg"),
        ("an\nts/a\x00.jpg", "an_ts/a_.jpg"),
        ("../a.jpg", None),
        ("ants/../../a.jpg", None),
        ("/etc/passwd", None),
        ("\\\\server\\share\\a.jpg", None),
        ("C:\\a.jpg", None),
        ("...", "..."),
        ("", None),
        ("😀/мир.jpg", "😀/мир.jpg"),
    ],
)
def test_names_become_plain_relative_text(name: str, expected: str | None) -> None:
    assert clean_name(name) == expected


def test_decomposed_hangul_is_composed() -> None:
    assert clean_name(unicodedata.normalize("NFD", "개미/사진.jpg")) == "개미/사진.jpg"


def test_bytes_that_are_no_utf8_are_read_as_korean() -> None:
    stand_in = "개미".encode("cp949").decode("utf-8", "surrogateescape")
    assert clean_name(stand_in) == "개미"


@pytest.mark.parametrize("encoding", ["utf-8", "cp949", "cp437"])
def test_encoding_is_judged_over_all_names(encoding: str) -> None:
    names = ["café.jpg", "crème.jpg"] if encoding == "cp437" else ["개미/1.jpg", "꿀벌/2.jpg"]
    assert decode_names([name.encode(encoding) for name in names]) == names


def test_what_systems_leave_behind() -> None:
    assert all(system_file(name) for name in ("a/.DS_Store", "Thumbs.db", "x/._photo.jpg", "desktop.ini"))
    assert not any(system_file(name) for name in ("a/photo.jpg", "store.jpg"))
    assert all(system_folder(name) for name in ("__MACOSX", ".git", ".ipynb_checkpoints", "@eaDir"))
    assert not system_folder("ants")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *[
            (f"ants/{name}", True)
            for name in ("imageNotFound.gif", "no-photo.png", "placeholder.jpg", "img_missing.jpg")
        ],
        *[
            (f"ants/{name}", False)
            for name in ("missing.jpg", "no.jpg", "image1.jpg", "photo.jpg", "placeholders/1.jpg")
        ],
    ],
)
def test_what_stands_in_for_an_image(name: str, expected: bool) -> None:
    assert stand_in(name) is expected
