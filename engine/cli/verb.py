"""Verb: a command of the command line: a typed function, with its options beside it, over a workspace.

Not here: the verbs themselves, exit codes (main).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TypeVar

import click

from engine.cli.printer import Printer
from engine.comparisons.comparison_store import ComparisonStore
from engine.store.run_store import RunStore
from engine.work.supervisor import Supervisor
from engine.workspace import Workspace, open_workspace

T = TypeVar("T")
Parameter = Callable[[Callable[..., None]], Callable[..., None]]
"""What click.option and click.argument return."""

RUN = click.argument("run", metavar="RUN", help="id of a run, as `runs` lists it")
BACKBONE = click.option("--backbone", required=True, help="a name from `backbones`")
DATASET = click.option("--dataset", required=True, help="name or id of a dataset")
EPOCHS = click.option(
    "--epochs", type=int, help="how many times training sees every image; default, or 0: as many as make enough steps"
)
QUEUE = click.option("--queue", is_flag=True, help="leave it to a worker (the dashboard or `work`) and return at once")
_WORKSPACE: Parameter = click.option(
    "--workspace",
    metavar="DIR",
    help="where everything is kept; default: $THAW_WORKSPACE, else workspace/ in a clone, ~/thaw elsewhere",
)
_JSON: Parameter = click.option("--json", is_flag=True, help="one JSON object a line on stdout")


@dataclass(frozen=True, kw_only=True)
class Session:
    """What every verb works with."""

    supervisor: Supervisor
    printer: Printer

    @property
    def workspace(self) -> Workspace:
        return self.supervisor.workspace

    @property
    def runs(self) -> RunStore:
        return RunStore(self.workspace)

    @property
    def comparisons(self) -> ComparisonStore:
        return ComparisonStore(self.workspace)

    def do_job(self, kind: str, result: type[T], **arguments: object) -> T:
        """Do a job here and now, in a child as for the dashboard; its result, a record of engine.jobs.records."""
        return self.supervisor.do_job_here(kind, arguments, result, watch=self.printer.event)


def verb(name: str, summary: str, *parameters: Parameter, own_workspace: str = "") -> Callable[..., click.Command]:
    """Makes a function of (session, *, parameters) the command `name`.

    `own_workspace` names the option whose folder holds the workspace where --workspace says nothing else.
    """

    def command(function: Callable[..., None]) -> click.Command:
        @wraps(function)
        def run(workspace: str | None, json: bool, **options: object) -> None:
            if own_workspace and not workspace:
                workspace = str(Path(str(options[own_workspace])) / "workspace")
            with Supervisor(open_workspace(workspace)) as supervisor:
                function(Session(supervisor=supervisor, printer=Printer(json=json)), **options)

        for parameter in reversed((*parameters, _WORKSPACE, _JSON)):
            parameter(run)
        return click.command(name, help=f"{summary[0].upper()}{summary[1:]}.", short_help=summary)(run)

    return command


def full_path(text: str) -> str:
    """Jobs run in a child, which stands elsewhere."""
    return str(Path(text).expanduser().resolve())


def set_option(help: str) -> Parameter:
    """`--set KEY=VALUE`, as often as wanted."""
    return click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help=help)
