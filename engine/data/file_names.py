"""File names: what sources call their files, as clean Unicode text with `/` between the parts.

A cleaned name is shown and compared, never opened: it may still read like anything at all.
"""

import os
import re
import unicodedata

SYSTEM_FILES = frozenset(
    {".ds_store", "thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r", ".localized", ".gitkeep", ".gitignore"}
)
_IMAGE = "(?:image|img|photo|picture|pic|file)"
_STAND_IN = re.compile(
    rf"{_IMAGE}[ _-]*(?:not[ _-]*(?:found|available)|unavailable|missing)"
    rf"|no[ _-]*{_IMAGE}(?:[ _-]*available)?|(?:{_IMAGE}[ _-]*)?placeholder",
    re.IGNORECASE,
)
SYSTEM_FOLDERS = frozenset({"__macosx", "@eadir", "$recycle.bin", "system volume information", "__pycache__"})


def clean_name(name: str) -> str | None:
    """`name` in NFC with forward slashes and without control characters; None when it leads out of its source or is
    empty.

    Macs write decomposed Hangul (NFD); only composed names compare equal to typed ones.
    """
    text = _readable(name).replace("\\", "/")
    if text.startswith("/") or text[1:3] == ":/":
        return None
    parts = [clean_text(part) for part in text.split("/")]
    if ".." in parts:
        return None
    return "/".join(part for part in parts if part not in ("", ".")) or None


def clean_text(part: str) -> str:
    """One part of a name, or a class name from a table: NFC, without control characters and outer blanks."""
    text = unicodedata.normalize("NFC", part)
    return "".join("_" if unicodedata.category(letter) == "Cc" else letter for letter in text).strip()


def decode_names(raw: list[bytes]) -> list[str]:
    """Zip names without the Unicode flag: UTF-8 if all are, else cp949 (Korean Windows) if all are, else the zip
    standard's cp437."""
    for encoding in ("utf-8", "cp949"):
        try:
            return [name.decode(encoding) for name in raw]
        except UnicodeDecodeError:
            continue
    return [name.decode("cp437") for name in raw]


def system_file(name: str) -> bool:
    """Whether the operating system left this file behind: `.DS_Store`, `Thumbs.db`, `._photo.jpg`."""
    last = name.rpartition("/")[2]
    return last.casefold() in SYSTEM_FILES or last.startswith("._")


def system_folder(part: str) -> bool:
    """Whether a folder of this name holds nothing that a person put there: `__MACOSX`, `.git`, `.ipynb_checkpoints`."""
    return part.casefold() in SYSTEM_FOLDERS or part.startswith(".")


def stand_in(name: str) -> bool:
    """Whether a file is called like what websites send in place of an image: `imageNotFound.gif`, `no-photo.png`."""
    stem = name.rpartition("/")[2].rpartition(".")[0]
    return bool(_STAND_IN.fullmatch(stem))


def _readable(name: str) -> str:
    """`name` without the surrogates by which Python stands in for bytes of a file name that are not UTF-8."""
    try:
        name.encode("utf-8")
        return name
    except UnicodeEncodeError:
        return decode_names([os.fsencode(name)])[0]
