import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine.data import uploads
from engine.errors import EngineError
from engine.workspace import Workspace


def send(workspace: Workspace, upload: uploads.Upload, name: str, content: bytes) -> uploads.UploadedFile:
    receiver = uploads.Receiver(workspace, upload, name)
    half = len(content) // 2
    for part in (content[:half], content[half:]):
        receiver.write(part)
    return receiver.close()


def test_files_arrive_whole_under_names_of_our_own(workspace: Workspace) -> None:
    upload = uploads.create(workspace)
    send(workspace, upload, "개미/../../evil.jpg", b"0123456789")
    send(workspace, upload, "bees/b.jpg", b"")
    folder = workspace.incoming_item(upload.id)
    assert [(file.name, file.path.read_bytes(), file.bytes) for file in uploads.received(folder)] == [
        ("개미/../../evil.jpg", b"0123456789", 10),
        ("bees/b.jpg", b"", 0),
    ]
    assert {path.name for path in folder.iterdir()} == {"000001.bin", "000002.bin", "manifest.jsonl", "token"}


@pytest.mark.parametrize("token", ["", "wrong", "é"])
def test_only_the_token_opens_an_upload(workspace: Workspace, token: str) -> None:
    upload = uploads.create(workspace)
    with pytest.raises(EngineError):
        uploads.check(workspace, uploads.Upload(id=upload.id, token=token))
    with pytest.raises(EngineError):
        uploads.Receiver(workspace, uploads.Upload(id=upload.id, token=token), "a.jpg")
    assert uploads.received(workspace.incoming_item(upload.id)) == ()


@pytest.mark.parametrize("upload_id", ["upload-0000000000", "../datasets", "upload-../../x", "draft-0000000000", ""])
def test_foreign_ids_are_refused(workspace: Workspace, upload_id: str) -> None:
    with pytest.raises(EngineError):
        uploads.check(workspace, uploads.Upload(id=upload_id, token="x"))
    with pytest.raises(EngineError):
        uploads.Receiver(workspace, uploads.Upload(id=upload_id, token="x"), "a.jpg")


def test_an_aborted_or_unfinished_file_does_not_exist(workspace: Workspace) -> None:
    upload = uploads.create(workspace)
    aborted = uploads.Receiver(workspace, upload, "a.jpg")
    aborted.write(b"half")
    aborted.abort()
    unfinished = uploads.Receiver(workspace, upload, "b.jpg")
    unfinished.write(b"half")
    assert uploads.received(workspace.incoming_item(upload.id)) == ()
    unfinished.abort()
    assert [path.name for path in workspace.incoming_item(upload.id).iterdir()] == ["token"]


def test_the_limit_counts_all_files_and_gives_back_what_is_dropped(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THAW_MAX_UPLOAD_MB", "1")
    upload = uploads.create(workspace)
    send(workspace, upload, "a.jpg", bytes(700_000))
    receiver = uploads.Receiver(workspace, upload, "b.jpg")
    with pytest.raises(EngineError, match="larger than 1 MB"):
        receiver.write(bytes(400_000))
    send(workspace, upload, "c.jpg", bytes(300_000))
    assert [file.name for file in uploads.received(workspace.incoming_item(upload.id))] == ["a.jpg", "c.jpg"]


def test_parallel_files_do_not_mix(workspace: Workspace) -> None:
    upload = uploads.create(workspace)
    threads = [
        threading.Thread(target=send, args=(workspace, upload, f"{n}.jpg", f"{n} ".encode() * 50)) for n in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    files = uploads.received(workspace.incoming_item(upload.id))
    assert {file.name: file.path.read_bytes() for file in files} == {
        f"{n}.jpg": f"{n} ".encode() * 50 for n in range(16)
    }


def test_a_torn_last_line_and_foreign_paths_in_the_manifest_are_skipped(workspace: Workspace) -> None:
    upload = uploads.create(workspace)
    send(workspace, upload, "a.jpg", b"x")
    with open(workspace.incoming_item(upload.id) / uploads.MANIFEST, "a") as manifest:
        manifest.write('{"file": "../../thaw.db", "name": "x", "bytes": 1}\n{"file": "0000')
    assert [file.name for file in uploads.received(workspace.incoming_item(upload.id))] == ["a.jpg"]


@pytest.mark.parametrize("name", ["", "/", "x" * 1001])
def test_unusable_names_are_refused(workspace: Workspace, name: str) -> None:
    upload = uploads.create(workspace)
    with pytest.raises(EngineError, match="Rename"):
        uploads.Receiver(workspace, upload, name)


def test_sweep_takes_what_is_old_and_spares_what_is_touched(workspace: Workspace) -> None:
    old, fresh = uploads.create(workspace), uploads.create(workspace)
    for path in (
        *workspace.incoming_item(old.id).iterdir(),
        workspace.incoming_item(old.id),
        workspace.incoming_item(fresh.id),
    ):
        os.utime(path, (1, 1))
    assert uploads.sweep(workspace) == 1
    assert [path.name for path in workspace.incoming.iterdir()] == [fresh.id]


def test_discard_is_repeatable_and_is_upload_knows_its_own(workspace: Workspace, tmp_path: Path) -> None:
    upload = uploads.create(workspace)
    assert uploads.is_upload(workspace.incoming_item(upload.id))
    assert not uploads.is_upload(tmp_path)
    uploads.discard(workspace, upload.id)
    uploads.discard(workspace, upload.id)
    assert not workspace.incoming_item(upload.id).exists()


def test_pages_can_import_this_without_heavy_libraries() -> None:
    code = (
        "import sys, engine.data.dataset, engine.data.uploads; print([m for m in ('torch', 'PIL', 'sklearn', "
        "'numpy') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_a_reserved_place_exists_from_the_first_file_on(workspace: Workspace) -> None:
    upload = uploads.reserve()
    for token in ("", "none"):
        with pytest.raises(EngineError):
            uploads.Receiver(workspace, uploads.Upload(id=upload.id, token=token), "a.jpg")
    assert list(workspace.incoming.iterdir()) == []
    for name in ("a.jpg", "b.jpg"):
        send(workspace, upload, name, b"x")
    assert [file.name for file in uploads.received(workspace.incoming_item(upload.id))] == ["a.jpg", "b.jpg"]
    uploads.discard(workspace, upload.id)
    with pytest.raises(EngineError):  # a straggler brings nothing back
        uploads.Receiver(workspace, upload, "c.jpg")
