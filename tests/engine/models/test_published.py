"""Published weights: found where torchvision keeps them, checked, downloaded whole or not at all, and never waited for
long."""

import hashlib
import io
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from torchvision.models import ResNet18_Weights

from engine.errors import WeightsError
from engine.models import published, registry
from engine.models.catalog import checkpoints_folder

ENTRY = ResNet18_Weights.IMAGENET1K_V1
CONTENT = b"tensors" * 300_000  # more than two chunks
NAME = f"resnet18-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("no_proxy", "*")
    publish_at(monkeypatch, 9)


def publish_at(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setattr(ENTRY.value, "url", f"http://127.0.0.1:{port}/{NAME}")


def find(progress: published.Progress | None = None) -> Path:
    return published.find_published(registry.published("resnet18"), progress)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that a local server publishes; the entry's file is expected there under NAME."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    publish_at(monkeypatch, server.server_port)
    yield folder
    server.shutdown()
    thread.join()
    server.server_close()


def test_downloads_once_and_tells_how_far_it_is(served: Path) -> None:
    (served / NAME).write_bytes(CONTENT)
    seen: list[tuple[int, int]] = []
    path = find(lambda done, total: seen.append((done, total)))
    assert path == checkpoints_folder() / NAME and path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT)) and len(seen) > 1
    (served / NAME).unlink()
    assert find() == path


@pytest.mark.parametrize("content", [CONTENT[:-1], b"", b"<html>captive portal</html>"])
def test_a_damaged_download_leaves_nothing_behind(served: Path, content: bytes) -> None:
    (served / NAME).write_bytes(content)
    with pytest.raises(WeightsError, match="arrived damaged"):
        find()
    assert list(checkpoints_folder().iterdir()) == []


def test_a_file_that_is_not_there_any_more_shows_three_ways_on(served: Path) -> None:
    with pytest.raises(WeightsError, match=r"could not be downloaded from .*File not found") as caught:
        find()
    for way in ("bring a weights file", f"put it into {checkpoints_folder()}", "weights 'none'"):
        assert way in str(caught.value)


def test_no_network_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:  # bound but not listening: connecting is refused
        taken.bind(("127.0.0.1", 0))
        publish_at(monkeypatch, taken.getsockname()[1])
        with pytest.raises(WeightsError, match=r"ResNet18_Weights.IMAGENET1K_V1 are not on this machine .*refused"):
            find()


def test_a_host_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "CONNECT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        publish_at(monkeypatch, silent.getsockname()[1])
        with pytest.raises(WeightsError, match=r"no answer within 0\.1 seconds"):
            find()


def test_a_file_on_disk_must_be_what_its_name_says() -> None:
    path = checkpoints_folder() / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert find() == path
    path.write_bytes(CONTENT + b"x")
    with pytest.raises(WeightsError, match="is damaged: its checksum") as caught:
        find()
    assert str(path) in str(caught.value) and "Delete it" in str(caught.value)


def test_a_full_disk_says_so(served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (served / NAME).write_bytes(CONTENT)

    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(published, "open", lambda *_: Full(), raising=False)
    with pytest.raises(WeightsError, match="No space left on device"):
        find()
