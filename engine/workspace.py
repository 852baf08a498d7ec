"""Workspace: every path the project writes, and how a file is written so that a crash cannot halve it.

Not here: what the files contain. Names from users never become paths; ids made by `new_id` do.
"""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.errors import EngineError
from engine.installation import default_workspace

_ID = re.compile(r"[a-z][a-z0-9]*-[0-9a-f]{8,32}")


@dataclass(frozen=True)
class Workspace:
    """A folder with everything Thaw remembers; only `database`, `datasets` and `runs` must be kept."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "thaw.db"

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def incoming(self) -> Path:
        """Uploads and imports that nobody has accepted yet."""
        return self.root / "incoming"

    @property
    def pixels(self) -> Path:
        return self.root / "pixels"

    @property
    def features(self) -> Path:
        return self.root / "features"

    @property
    def weights(self) -> Path:
        """Weights files that people brought, as safetensors under an id of ours."""
        return self.root / "weights"

    @property
    def catalog(self) -> Path:
        """The backbones that there are, as JSON, so that pages need no torch."""
        return self.root / "catalog"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    def dataset(self, dataset_id: str) -> Path:
        return self.datasets / checked_id(dataset_id)

    def incoming_item(self, item_id: str) -> Path:
        return self.incoming / checked_id(item_id)

    def run(self, run_id: str) -> Path:
        return self.runs / checked_id(run_id)


def open_workspace(root: str | Path | None = None) -> Workspace:
    """The workspace at `root`, else at $THAW_WORKSPACE, else at the default place; folders are made."""
    chosen = root or os.environ.get("THAW_WORKSPACE") or default_workspace()
    workspace = Workspace(Path(chosen).expanduser().resolve())
    try:
        for folder in (workspace.datasets, workspace.incoming, workspace.weights, workspace.catalog, workspace.runs):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EngineError(
            f"The workspace folder {workspace.root} cannot be written ({error.strerror}). "
            "Choose another with --workspace DIR or the variable THAW_WORKSPACE."
        ) from error
    return workspace


def user_cache() -> Path:
    """Where what was found out about this machine is kept for every workspace; safe to delete."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "thaw"


def new_id(kind: str) -> str:
    """A fresh id such as `run-3f9c0a1b2c`; the only thing that is ever joined to a path."""
    return f"{kind}-{secrets.token_hex(5)}"


def checked_id(text: str) -> str:
    """`text` if it has the shape of an id of ours; EngineError otherwise. Ids arrive in URLs."""
    if not _ID.fullmatch(text):
        raise EngineError(f"{text[:60]!r} is not an id of this workspace. Choose one from the list.")
    return text


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place, durably, when the block ends well."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut: a rename is durable only when its folder is."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def atomic_write(path: Path, content: str | bytes) -> None:
    """Write `content` so that a reader, or a crash, sees the old file or the new one and nothing between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
