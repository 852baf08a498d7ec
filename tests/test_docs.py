"""The docs say what is there: verbs, options, files, and nothing of elsewhere."""

import contextlib
import io
import re
from pathlib import Path

import click

from engine.cli.main import VERBS, main
from engine.training.strategies import STRATEGIES
from engine.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def test_every_verb_is_in_the_readme_and_explains_itself() -> None:
    for name, verb in VERBS.items():
        assert f"python -m engine {name}" in README, f"{name} is not in README.md"
        described = [verb, *(param for param in verb.params if isinstance(param, click.Option | click.Argument))]
        assert len(described) == 1 + len(verb.params) and all(part.help for part in described), name


def test_the_options_page_is_what_the_program_prints(workspace: Workspace) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main(["options"]) == 0
    assert (ROOT / "docs" / "options.md").read_text() == printed.getvalue(), (
        "run: python -m engine options > docs/options.md"
    )


def test_every_local_link_leads_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_tree_in_the_readme_names_what_is_there() -> None:
    block = re.search(r"```\n(dashboard\.py.*?)```", README, re.DOTALL)
    assert block
    for line in block[1].splitlines():
        name = line.split()[0] if line.strip() else ""
        if line.startswith("  ") or not name:
            continue
        assert (ROOT / name).exists(), name
    wings = {path.name for path in (ROOT / "engine").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert all(f"  {wing}/" in block[1] for wing in wings)


def test_requirements_are_pinned() -> None:
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-export.txt", "requirements-heic.txt"):
        lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith(("#", "-r"))]
        assert all(re.fullmatch(r"[\w-]+==[\d.]+", line) for line in lines), name


def test_every_strategy_and_every_trap_has_its_place_in_the_docs() -> None:
    text = (ROOT / "docs" / "freezing.md").read_text()
    assert not [name for name in STRATEGIES if f"`{name}`" not in text]
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) >= 13
    assert not [f"{path}::{name}" for path, name in named if f"def {name}(" not in (ROOT / path).read_text()]
