"""Archives: a zip, a folder, an upload or a CSV becomes a list of plain files with cleaned names, within limits.

Nothing is decoded and no name from the source becomes a path: extracted files are numbered.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from engine.data import uploads
from engine.data.dataset_records import Problem
from engine.data.file_names import clean_name, system_folder
from engine.data.pool import Progress, silent
from engine.data.tables.accounts import is_table
from engine.data.tables.listing import read_list
from engine.data.zips import DEFAULT_LIMITS, Limits, Staged, StagedFile, extract
from engine.errors import DatasetError

_MOST_BESIDE = 200_000
"""So many files beside a table are looked through: people keep tables in their home folder too."""
_LINK = "It is a link; links are not followed. Copy the file itself."


def stage(source: Path, into: Path, *, limits: Limits = DEFAULT_LIMITS, progress: Progress = silent) -> Staged:
    """The files of `source`: a zip, a folder (zips directly inside are opened too), a CSV that lists files beside it,
    one image, or an upload. Zip members are written to `into`, which the caller removes."""
    if not source.exists():
        raise DatasetError(f"There is nothing at {source}. Check the path.")
    into.mkdir(parents=True, exist_ok=True)
    problems: list[Problem] = []
    zips: list[StagedFile] = []
    files: list[StagedFile] = []
    for file in _files_of(source, problems):
        (zips if _is_zip(file) else files).append(file)
    for number, file in enumerate(zips):
        alone = len(zips) == 1 and not files
        prefix = "" if alone else file.name.rpartition(".")[0]
        try:
            members = extract(file, into / str(number), limits=limits, prefix=prefix, progress=progress)
            files += members.files
            problems += members.problems
        except DatasetError as error:
            if alone:
                raise
            problems.append(Problem(name=file.name, reason=str(error)))
    if len(files) > limits.files:
        raise DatasetError(f"There are {len(files)} files; the limit is {limits.files}. Import a part of them.")
    return Staged(files=tuple(files), problems=tuple(problems))


def _files_of(source: Path, problems: list[Problem]) -> Iterator[StagedFile]:
    if uploads.is_upload(source):
        for upload in uploads.received(source):
            if name := clean_name(upload.name):
                yield StagedFile(path=upload.path, name=name)
    elif source.is_dir():
        yield from _walk(source, source, problems)
    elif is_table(source.name):
        yield (table := StagedFile(path=source, name=clean_name(source.name) or "labels.csv"))
        yield from _listed(table)
    else:
        yield StagedFile(path=source, name=clean_name(source.name) or "file")


def _walk(folder: Path, root: Path, problems: list[Problem]) -> Iterator[StagedFile]:
    """Regular files below `folder`, in a stable order; links and hidden folders are named and not entered."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        problems.append(Problem(name=_relative(folder, root), reason=f"The folder cannot be read ({error.strerror})."))
        return
    for path in entries:
        name = _relative(path, root)
        if path.is_symlink():
            problems.append(Problem(name=name, reason=_LINK))
        elif path.is_dir():
            if system_folder(path.name):
                problems.append(Problem(name=name + "/", reason="system folder", kind="system"))
            else:
                yield from _walk(path, root, problems)
        elif path.is_file():
            yield StagedFile(path=path, name=name)
        else:
            problems.append(Problem(name=name, reason="It is a device or a pipe, not a file."))


def _listed(table: StagedFile) -> Iterator[StagedFile]:
    """The files beside a table that its lines name, and the zip beside it that holds those which are not there."""
    folder = table.path.parent.resolve()
    beside = [file for file in islice(_walk(folder, folder, []), _MOST_BESIDE) if not is_table(file.name)]
    lines = read_list(table, beside)
    yield from {line.file.name: line.file for line in lines if line.file}.values()
    if missing := {line.name.partition("/")[0] for line in lines if line.file is None}:
        zips = [file for file in beside if file.name.lower().endswith(".zip") and "/" not in file.name]
        stems = {*missing, table.path.stem}
        yield from [file for file in zips if file.path.stem in stems] or zips[:1]


def _is_zip(file: StagedFile) -> bool:
    """Whether to open it: directly in the source, and a zip by its first bytes or by its name."""
    if "/" in file.name or is_table(file.name):
        return False
    with open(file.path, "rb") as opened:
        return opened.read(4) in (b"PK\x03\x04", b"PK\x05\x06") or file.name.lower().endswith(".zip")


def _relative(path: Path, root: Path) -> str:
    return clean_name(path.relative_to(root).as_posix()) or ascii(path.name)
