"""Who may import whom, read from the imports themselves; and how large a room may get."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ENGINE = sorted((ROOT / "engine").rglob("*.py"))
PAGES = [*sorted((ROOT / "pages").rglob("*.py")), ROOT / "dashboard.py"]
FILES = [*ENGINE, *PAGES]

BELOW: dict[str, set[str]] = {
    "ground": set(),
    "data": set(),
    "models": set(),
    "training": {"data", "models"},
    "evaluation": {"data", "models"},
    "store": set(),
    "work": {"store"},
    "comparisons": {"store", "data", "training", "evaluation"},
    "runs": {"store", "work", "data", "models", "training", "evaluation"},
    "jobs": {"store", "work", "data", "models", "training", "evaluation", "runs"},
    "bench": {"store", "work", "data", "models", "training", "evaluation", "runs"},
    "cli": {"store", "work", "data", "models", "training", "evaluation", "runs", "jobs", "comparisons", "bench"},
}
"""A folder of the engine may import itself, the ground floor and what is named here. Runs and jobs wire the others
together."""
LIGHT = (
    "engine.config",
    "engine.options",
    "engine.workspace",
    "engine.errors",
    "engine.store.run_store",
    "engine.store.job_store",
    "engine.jobs.embedding_files",
    "engine.jobs.forecast_files",
    "engine.jobs.heat_map_files",
    "engine.training.estimate",
    "engine.work.worker",
    "engine.comparisons.comparison_store",
    "engine.comparisons.judgement",
    "engine.comparisons.tables",
    "engine.data.dataset",
    "engine.data.uploads",
    "engine.data.label_decisions",
    "engine.data.versions",
    "engine.models.outline",
    "engine.models.sources.source",
    "engine.jobs.bundle.formats",
    "engine.models.catalog",
    "engine.models.weights_store",
    "engine.training.freezing",
    "engine.cli.main",
    "engine.training.schedule",
    "engine.evaluation.predictions",
)


def imported(path: Path) -> Iterator[tuple[str, bool]]:
    """(module, whether at module level) for every import in a file."""
    tree = ast.parse(path.read_text())
    top = set(tree.body)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            yield module, node in top
            yield from ((f"{module}.{alias.name}", node in top) for alias in node.names)


def wing(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in BELOW else "ground"


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def test_the_engine_knows_nothing_of_pages() -> None:
    forbidden = {"streamlit", "plotly", "pages", "dashboard"}
    assert not [
        (str(path), module) for path in ENGINE for module, _ in imported(path) if module.split(".")[0] in forbidden
    ]


def test_pages_leave_tensors_threads_and_databases_to_the_engine() -> None:
    forbidden = {"torch", "torchvision", "sqlite3", "threading", "PIL", "sklearn", "scipy"}
    assert not [
        (str(path), module) for path in PAGES for module, _ in imported(path) if module.split(".")[0] in forbidden
    ]


def test_wings_import_downwards_only() -> None:
    wrong = []
    for path in ENGINE:
        here = "cli" if path.stem == "__main__" else wing(module_of(path))
        for module, _ in imported(path):
            if module.startswith("engine.") and wing(module) not in {here, "ground", *BELOW[here]}:
                wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert not wrong, wrong


def test_what_a_page_shows_is_no_other_page_s_business() -> None:
    """What one page alone draws is imported neither by another page's folder nor by what pages share."""
    rooms = {"dataset", "configure", "monitor", "compare", "predictions"}
    wrong = []
    for path in sorted((ROOT / "pages" / "ui").rglob("*.py")):
        for module, _ in imported(path):
            parts = module.split(".")
            if parts[:2] == ["pages", "ui"] and len(parts) > 2 and parts[2] in rooms - {path.parent.name}:
                wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    folders = {folder.name for folder in (ROOT / "pages" / "ui").iterdir() if (folder / "__init__.py").is_file()}
    assert folders == rooms | {"figures", "widgets"} and not wrong, wrong


def test_only_devices_says_cuda() -> None:
    """A device name in a help text or a docstring is fine; a call is not."""
    wrong = [
        f"{path.name}:{node.lineno}"
        for path in ENGINE
        if path.stem != "devices"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "cuda"
    ]
    assert not wrong, wrong


@pytest.mark.parametrize("module", LIGHT)
def test_what_pages_use_loads_without_torch(module: str) -> None:
    code = f"import sys, {module}; print([m for m in ('torch', 'torchvision', 'sklearn', 'PIL') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", f"{module} loads {done.stdout}"


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_files_and_functions_hold_one_idea() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} has {lines} lines" for path in FILES if (lines := path.read_text().count("\n")) > 300
    ]
    wrong += [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name} has {lines} lines"
        for path in FILES
        for node in functions(path)
        if (lines := (node.end_lineno or 0) - node.lineno + 1) > 40
    ]
    assert not wrong, wrong


def test_nobody_takes_more_than_three_parameters_by_position() -> None:
    """Further ones have to be named where they are given; Python and torch call special methods as they like."""
    wrong = []
    for path in FILES:
        for node in functions(path):
            names = [parameter.arg for parameter in [*node.args.posonlyargs, *node.args.args]]
            if len(names) - (names[:1] in (["self"], ["cls"])) > 3 and node.name != "__torch_function__":
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}({', '.join(names)})")
    assert not wrong, wrong


def test_a_public_name_means_one_thing_in_its_folder() -> None:
    """The forms of an export are modules with the functions of one Protocol (jobs/bundle/formats.Writer)."""
    homes: dict[tuple[Path, str], list[str]] = {}
    for path in FILES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault((path.parent, node.name), []).append(path.name)
    folder = ROOT / "engine" / "jobs" / "bundle"
    allowed = {(folder, "write"), (folder, "check")}
    assert not {place: files for place, files in homes.items() if len(files) > 1 and place not in allowed}


def test_no_two_files_are_called_almost_alike() -> None:
    names = sorted({path.stem for path in FILES if path.stem != "__init__"})
    pairs = [(one, other) for one in names for other in names if one < other]
    assert not [(one, other) for one, other in pairs if other.removeprefix(one) in ("s", "es", "ed", "ing")]


def test_every_module_says_what_it_is() -> None:
    empty = [path for path in FILES if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))]
    assert not empty, empty


def test_nothing_unpickles_what_people_bring() -> None:
    forbidden = (
        "weights_only=False",
        "pickle.load",
        "torch.jit.load",
        "torch.hub.load(",
        "torch.export.load",
        "unsafe_allow_html=True",
    )
    wrong = [f"{path.name}: {phrase}" for path in FILES for phrase in forbidden if phrase in path.read_text()]
    assert not wrong, wrong
