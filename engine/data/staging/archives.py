"""Archives: a zip, a folder, an upload or a CSV becomes a list of plain files with cleaned names, within limits.

Nothing is decoded and no name from the source becomes a path: extracted files are numbered.
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from engine.data import uploads
from engine.data.dataset_records import Problem
from engine.data.file_names import clean_name, system_folder
from engine.data.pool import Progress, silent
from engine.data.staging import tars, zips
from engine.data.staging.magic import kind_of
from engine.data.staging.unpacking import DEFAULT_LIMITS, SUSPICIOUS_BYTES, Limits, Staged, StagedFile
from engine.data.tables.accounts import is_table
from engine.data.tables.listing import read_list
from engine.errors import DatasetError

_MOST_BESIDE = 200_000
"""So many files beside a table are looked through: people keep tables in their home folder too."""
_DEEPEST = 2
"""An archive may hold archives, and those none: `train.zip` beside `test.zip` in a zip is common, more is a trap."""
_ENDING = re.compile(r"(\.tar)?\.[^./]{1,8}$", re.IGNORECASE)
_READERS = {"zip": zips.unzip, "tar": tars.untar}


def stage(
    source: Path,
    into: Path,
    *,
    limits: Limits = DEFAULT_LIMITS,
    within: Path | None = None,
    progress: Progress = silent,
) -> Staged:
    """The files of `source`: an archive, a folder, a CSV that lists files beside it, one image, or an upload.

    Archives (zip, tar) are opened wherever they lie, and those inside them once more; members are written to `into`,
    which the caller removes. Links are followed to what lies inside `within`, by default the source itself.
    """
    if not source.exists():
        raise DatasetError(f"There is nothing at {source}. Check the path.")
    problems: list[Problem] = []
    own = source if source.is_dir() else source.parent
    walk = _Walk(root=source, within=(within or own).resolve(), most=limits.files, problems=problems)
    staged = _unpacked(tuple(_files_of(source, walk)), into, limits=limits, progress=progress)
    if len(staged.files) > limits.files:
        raise DatasetError(f"There are {len(staged.files)} files; the limit is {limits.files}. Import a part of them.")
    return replace(staged, problems=(*problems, *staged.problems))


def _unpacked(found: Sequence[StagedFile], into: Path, *, limits: Limits, progress: Progress, depth: int = 0) -> Staged:
    """`found` with every archive replaced by what it holds. All of them together stay within `limits`.

    DatasetError when the only file of a source is an archive that cannot be opened.
    """
    into.mkdir(parents=True, exist_ok=True)
    files: list[StagedFile] = []
    problems: list[Problem] = []
    written = 0
    for number, file in enumerate(found):
        kind = _archive_kind(file) if depth < _DEEPEST else ""
        if not kind:
            files.append(file)
            continue
        alone, folder = len(found) == 1, into / str(number)
        left = replace(limits, files=max(0, limits.files - len(files)), total_bytes=limits.total_bytes - written)
        inner = replace(left, total_bytes=min(left.total_bytes, max(SUSPICIOUS_BYTES, int(left.ratio * _size(file)))))
        try:
            members = _READERS[kind](file, folder, limits=left, progress=progress)
            opened = _unpacked(members.files, folder / "inside", limits=inner, progress=progress, depth=depth + 1)
        except DatasetError as error:
            shutil.rmtree(folder, ignore_errors=True)
            if alone and depth == 0:
                raise
            problems.append(Problem(name=file.name, reason=str(error)))
            continue
        prefix = "" if alone else _ENDING.sub("", file.name)
        files += _prefixed(opened.files, prefix)
        left_aside = (*members.problems, *opened.problems)
        problems += [replace(problem, name=f"{prefix}/{problem.name}".lstrip("/")) for problem in left_aside]
        written += sum(_size(member) for member in opened.files)
        if file.owned:
            file.path.unlink()
    return Staged(files=tuple(files), problems=tuple(problems))


def _prefixed(files: Sequence[StagedFile], prefix: str) -> list[StagedFile]:
    """`files` below the folder `prefix`, unless they all lie in one of its last name already: train.zip often holds
    the folder train."""
    outer, _, last = prefix.rpartition("/")
    if last and all(file.name.startswith(f"{last}/") for file in files):
        prefix = outer
    return [replace(file, name=f"{prefix}/{file.name}".lstrip("/")) for file in files]


def _archive_kind(file: StagedFile) -> str:
    """What opens it; empty for what is no archive, and for documents that are one only in their outer form."""
    try:
        kind = kind_of(file.path)
    except OSError:
        return ""
    if kind is None:
        return "zip" if file.name.lower().endswith(".zip") else ""
    return kind.reader if kind.reader in _READERS else ""


def _size(file: StagedFile) -> int:
    return file.path.stat().st_size


@dataclass(frozen=True, kw_only=True)
class _Walk:
    """Where a walk began, what links may lead to, how many files it may find, and what it met on the way."""

    root: Path
    within: Path
    most: int
    problems: list[Problem]
    linked: set[Path] = field(default_factory=set)
    """Folders that were entered through a link. Once is enough: links to each other would multiply without end."""


def _files_of(source: Path, walk: _Walk) -> Iterator[StagedFile]:
    if uploads.is_upload(source):
        for upload in uploads.received(source):
            if name := clean_name(upload.name):
                yield StagedFile(path=upload.path, name=name)
    elif source.is_dir():
        yield from islice(_walked(source, walk), walk.most + 1)
    elif is_table(source.name):
        yield (table := StagedFile(path=source, name=clean_name(source.name) or "labels.csv"))
        yield from _listed(table, walk.within)
    else:
        yield StagedFile(path=source, name=clean_name(source.name) or "file")


def _walked(folder: Path, walk: _Walk) -> Iterator[StagedFile]:
    """Regular files below `folder`, in a stable order; what is not entered is named."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        reason = f"The folder cannot be read ({error.strerror})."
        walk.problems.append(Problem(name=_relative(folder, walk.root), reason=reason))
        return
    for path in entries:
        name = _relative(path, walk.root)
        if path.is_symlink() and (reason := _link_refusal(path, walk)):
            walk.problems.append(Problem(name=name, reason=reason))
        elif path.is_dir():
            if system_folder(path.name):
                walk.problems.append(Problem(name=name + "/", reason="system folder", kind="system"))
            else:
                yield from _walked(path, walk)
        elif path.is_file():
            yield StagedFile(path=path.resolve(), name=name)
        else:
            walk.problems.append(Problem(name=name, reason="It is a device or a pipe, not a file."))


def _link_refusal(link: Path, walk: _Walk) -> str:
    """Why a link is not followed; empty when it is."""
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):  # gone, or a link to itself
        return "It is a link that leads nowhere."
    if not target.is_relative_to(walk.within):
        return "It is a link that leads out of the folder that may be read. Copy the file itself."
    if not target.is_dir():
        return ""
    if target in walk.linked or link.parent.resolve().is_relative_to(target):
        return "It is a link to a folder that is read already."
    walk.linked.add(target)
    return ""


def _listed(table: StagedFile, within: Path) -> Iterator[StagedFile]:
    """The files beside a table that its lines name, and the archive beside it that holds those which are not there."""
    folder = table.path.parent.resolve()
    walk = _Walk(root=folder, within=within, most=_MOST_BESIDE, problems=[])
    beside = [file for file in islice(_walked(folder, walk), walk.most) if not is_table(file.name)]
    lines = read_list(table, beside)
    yield from {line.file.name: line.file for line in lines if line.file}.values()
    if missing := {line.name.partition("/")[0] for line in lines if line.file is None}:
        archives = [file for file in beside if "/" not in file.name and _archive_kind(file)]
        stems = {*missing, table.path.stem}
        yield from [file for file in archives if _ENDING.sub("", file.name) in stems] or archives[:1]


def _relative(path: Path, root: Path) -> str:
    return clean_name(path.relative_to(root).as_posix()) or ascii(path.name)
