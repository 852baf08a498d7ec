"""Launcher: the command `thaw` of an installed wheel. Alone it opens the dashboard; with a verb it does that.

The wheel keeps everything below one folder, so that nothing called `engine` or `pages` lands among other people's
packages. That folder goes on the path here, before anything of ours is imported. Not here: the verbs (main).
"""

import os
import sys
from pathlib import Path

import click

_HOME = Path(__file__).resolve().parents[2]


def start() -> int:
    """The exit code of a verb; the dashboard takes the place of this process."""
    sys.path.insert(0, str(_HOME))
    from engine.cli.main import VERBS, main

    for verb in VERBS.values():
        thaw.add_command(verb)
    return main(group=thaw)


@click.group(
    invoke_without_command=True,
    help="Open the dashboard, or do one VERB without it.",
    subcommand_metavar="[VERB ...]",
    context_settings={"max_content_width": 120},
)
@click.version_option(package_name="thaw", message="%(version)s")
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True, help="of the dashboard")
@click.option("--address", default="127.0.0.1", show_default=True, help="where the dashboard listens")
@click.option("--workspace", metavar="DIR", help="where everything is kept; default: $THAW_WORKSPACE or ~/thaw")
@click.pass_context
def thaw(context: click.Context, *, port: int, address: str, workspace: str | None) -> None:
    if workspace:
        os.environ["THAW_WORKSPACE"] = str(Path(workspace).expanduser().resolve())
    if context.invoked_subcommand is None:
        _become_dashboard(port, address)


def _become_dashboard(port: int, address: str) -> None:
    """Never returns. Not in this process: the server and its workers want Ctrl+C to themselves."""
    where = ["--server.port", str(port), "--server.address", address]
    # -P: a file of the folder one stands in must not be taken for a module
    command = [sys.executable, "-P", "-m", "streamlit", "run", str(_HOME / "dashboard.py"), *where]
    sys.stdout.flush()
    os.execv(command[0], command)
