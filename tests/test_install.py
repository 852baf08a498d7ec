"""What is installed: a wheel that keeps to its own folder, starts from anywhere, and asks for what the clone pins."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from engine.cli import launcher
from engine.cli.main import VERBS

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from thaw.engine.cli.launcher import start; sys.exit(start())"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site-packages with nothing but our wheel, built without any network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("thaw-*-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(folder / "site-packages")
    return folder / "site-packages"


def test_the_wheel_holds_the_whole_product_below_one_folder(unpacked: Path):
    parts = [ROOT / "dashboard.py", ROOT / ".streamlit" / "config.toml"]
    parts += [path for name in ("engine", "pages") for path in (ROOT / name).rglob("*") if path.is_file()]
    expected = {str(path.relative_to(ROOT)) for path in parts if path.suffix != ".pyc"}
    packed = {str(path.relative_to(unpacked / "thaw")) for path in (unpacked / "thaw").rglob("*") if path.is_file()}
    assert packed == expected
    assert {path.name for path in unpacked.iterdir()} == {"thaw", f"thaw-{PROJECT['version']}.dist-info"}


def installed(unpacked: Path, home: Path, *words: str) -> str:
    """What `thaw WORDS` prints in a folder with a package and a script that are called like ours."""
    (home / "engine").mkdir(exist_ok=True)
    (home / "engine" / "__init__.py").write_text("raise SystemExit('the wrong engine')")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("THAW_")}
    command = [sys.executable, "-P", "-c", START, str(unpacked), *words]
    done = subprocess.run(
        command, cwd=home, env=environment | {"HOME": str(home)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_thaw_has_the_verbs_of_the_command_line_and_the_dashboard(unpacked: Path, tmp_path: Path):
    printed = installed(unpacked, tmp_path, "--help")
    assert printed.startswith("Usage: thaw ") and "--port" in printed
    assert all(re.search(rf"^  {name} ", printed, re.MULTILINE) for name in VERBS)
    assert installed(unpacked, tmp_path, "--version").strip() == PROJECT["version"]


def test_an_installed_thaw_keeps_what_it_makes_in_the_home_of_the_user(unpacked: Path, tmp_path: Path):
    before = sorted(path for path in unpacked.rglob("*") if "__pycache__" not in path.parts)
    assert "Make one: thaw sample" in installed(unpacked, tmp_path, "datasets")
    assert (tmp_path / "thaw" / "datasets").is_dir()
    assert before == sorted(path for path in unpacked.rglob("*") if "__pycache__" not in path.parts)
    installed(unpacked, tmp_path, "--workspace", "elsewhere", "datasets")
    assert (tmp_path / "elsewhere" / "datasets").is_dir()


def test_without_a_verb_the_dashboard_takes_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda path, words: started.append([path, *words]))
    monkeypatch.setenv("THAW_WORKSPACE", "another")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(launcher.thaw, ["--port", "8600", "--workspace", "here"], prog_name="thaw")
    assert done.exit_code == 0, done.output
    ((path, *words),) = started
    assert path == words[0] == sys.executable
    assert words[2:] == [
        *("-m", "streamlit", "run", str(ROOT / "dashboard.py")),
        *("--server.port", "8600", "--server.address", "127.0.0.1"),
    ]
    assert os.environ["THAW_WORKSPACE"] == str(tmp_path / "here")
    assert CliRunner().invoke(launcher.thaw, ["--port", "0"]).exit_code == 2


def pins(name: str) -> dict[str, str]:
    """Name -> version of one requirements file, without those it refers to."""
    pairs = (line.split("==") for line in (ROOT / name).read_text().splitlines() if "==" in line)
    return {canonicalize_name(package): version for package, version in pairs}


@pytest.mark.parametrize("extra", ["", *PROJECT["optional-dependencies"]])
def test_every_pin_lies_in_its_range_and_nothing_is_missing(extra: str):
    file = f"requirements-{extra}.txt" if extra else "requirements.txt"
    ranges = [Requirement(text) for text in PROJECT["optional-dependencies"].get(extra, PROJECT["dependencies"])]
    assert all("<" in str(entry.specifier) and ">=" in str(entry.specifier) for entry in ranges)
    pinned = pins(file)
    assert pinned.keys() == {canonicalize_name(entry.name) for entry in ranges}
    assert [entry.name for entry in ranges if pinned[canonicalize_name(entry.name)] not in entry.specifier] == []


def test_the_container_copies_what_is_there_and_pins_nothing_of_its_own():
    text = (ROOT / "Dockerfile").read_text()
    copied = [name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for name in line.split()]
    assert copied and not [name for name in copied if not (ROOT / name).exists()]
    assert "==" not in text.replace("^torch(vision)?==", "")
