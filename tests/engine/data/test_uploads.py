import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.data.uploads import (
    MANIFEST,
    Receiver,
    Upload,
    UploadedFile,
    discard_upload,
    is_upload,
    received,
    reserve,
    sweep,
)
from engine.errors import EngineError
from engine.workspace import Workspace
from tests.pictures import new_upload


def send(workspace: Workspace, upload: Upload, name: str, content: bytes) -> UploadedFile:
    receiver = Receiver(workspace, upload, name)
    for part in (content[:5], content[5:]):
        receiver.write(part)
    return receiver.close()


def names(workspace: Workspace, upload: Upload) -> list[str]:
    return [file.name for file in received(workspace.incoming_item(upload.id))]


def test_files_arrive_whole_under_names_of_our_own(workspace: Workspace, upload: Upload) -> None:
    send(workspace, upload, "개미/../../evil.jpg", b"0123456789")
    send(workspace, upload, "bees/b.jpg", b"")
    folder = workspace.incoming_item(upload.id)
    assert [(file.name, file.path.read_bytes(), file.bytes) for file in received(folder)] == [
        ("개미/../../evil.jpg", b"0123456789", 10),
        ("bees/b.jpg", b"", 0),
    ]
    assert {path.name for path in folder.iterdir()} == {"000001.bin", "000002.bin", "manifest.jsonl", "token"}


@pytest.mark.parametrize("token", ["", "wrong", "é"])
def test_only_the_token_opens_an_upload(workspace: Workspace, upload: Upload, token: str) -> None:
    with pytest.raises(EngineError):
        Receiver(workspace, Upload(id=upload.id, token=token), "a.jpg")
    assert not names(workspace, upload)


@pytest.mark.parametrize("upload_id", ["upload-0000000000", "../datasets", "upload-../../x", "draft-0000000000", ""])
def test_foreign_ids_are_refused(workspace: Workspace, upload_id: str) -> None:
    with pytest.raises(EngineError):
        Receiver(workspace, Upload(id=upload_id, token="x"), "a.jpg")


def test_an_aborted_or_unfinished_file_does_not_exist(workspace: Workspace, upload: Upload) -> None:
    aborted = Receiver(workspace, upload, "a.jpg")
    aborted.write(b"half")
    aborted.abort()
    unfinished = Receiver(workspace, upload, "b.jpg")
    unfinished.write(b"half")
    assert not names(workspace, upload)
    unfinished.abort()
    assert [path.name for path in workspace.incoming_item(upload.id).iterdir()] == ["token"]


def test_the_limit_counts_all_files_and_gives_back_what_is_dropped(
    workspace: Workspace, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THAW_MAX_UPLOAD_MB", "1")
    send(workspace, upload, "a.jpg", bytes(700_000))
    receiver = Receiver(workspace, upload, "b.jpg")
    with pytest.raises(EngineError, match="larger than 1 MB"):
        receiver.write(bytes(400_000))
    send(workspace, upload, "c.jpg", bytes(300_000))
    assert names(workspace, upload) == ["a.jpg", "c.jpg"]


def test_parallel_files_do_not_mix(workspace: Workspace, upload: Upload) -> None:
    contents = {f"{n}.jpg": f"{n} ".encode() * 50 for n in range(16)}
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda name: send(workspace, upload, name, contents[name]), contents))
    files = received(workspace.incoming_item(upload.id))
    assert {file.name: file.path.read_bytes() for file in files} == contents


def test_a_torn_last_line_and_foreign_paths_in_the_manifest_are_skipped(workspace: Workspace, upload: Upload) -> None:
    send(workspace, upload, "a.jpg", b"x")
    with open(workspace.incoming_item(upload.id) / MANIFEST, "a") as manifest:
        manifest.write('{"file": "../../thaw.db", "name": "x", "bytes": 1}\n{"file": "0000')
    assert names(workspace, upload) == ["a.jpg"]


@pytest.mark.parametrize("name", ["", "/", "x" * 1001])
def test_unusable_names_are_refused(workspace: Workspace, upload: Upload, name: str) -> None:
    with pytest.raises(EngineError, match="Rename"):
        Receiver(workspace, upload, name)


def test_sweep_takes_what_is_old_and_spares_what_is_touched(workspace: Workspace) -> None:
    old, fresh = (workspace.incoming_item(new_upload(workspace).id) for _ in range(2))
    for path in (*old.iterdir(), old, fresh):
        os.utime(path, (1, 1))
    assert sweep(workspace) == 1
    assert list(workspace.incoming.iterdir()) == [fresh]


def test_discard_is_repeatable_and_uploads_are_known(workspace: Workspace, upload: Upload, tmp_path: Path) -> None:
    assert is_upload(workspace.incoming_item(upload.id))
    assert not is_upload(tmp_path)
    discard_upload(workspace, upload.id)
    discard_upload(workspace, upload.id)
    assert not workspace.incoming_item(upload.id).exists()


def test_pages_can_import_this_without_heavy_libraries() -> None:
    code = (
        "import sys, engine.data.dataset, engine.data.uploads; "
        "print([m for m in ('torch', 'PIL', 'sklearn', 'numpy') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_a_reserved_place_exists_from_the_first_file_on(workspace: Workspace) -> None:
    upload = reserve()
    for token in ("", "none"):
        with pytest.raises(EngineError):
            Receiver(workspace, Upload(id=upload.id, token=token), "a.jpg")
    assert list(workspace.incoming.iterdir()) == []
    for name in ("a.jpg", "b.jpg"):
        send(workspace, upload, name, b"x")
    assert names(workspace, upload) == ["a.jpg", "b.jpg"]
    discard_upload(workspace, upload.id)
    with pytest.raises(EngineError):  # a straggler brings nothing back
        Receiver(workspace, upload, "c.jpg")
