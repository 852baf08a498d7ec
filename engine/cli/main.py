"""The command line: `python -m engine VERB`, over the same workspace, store and pipeline as the dashboard.

Exit code 0 fine, 2 with one sentence on stderr for what the user can mend, 1 for a defect of ours. Not here: the verbs.
"""

import sys
from collections.abc import Sequence

import click

from engine.cli import audit, bench, cache, compare, data, demo, explore, run_verbs
from engine.errors import DEFECT, EngineError
from engine.installation import COMMAND

VERBS: dict[str, click.Command] = {
    str(verb.name): verb
    for verb in (
        *(data.import_dataset, data.datasets, data.sample, data.options, data.backbones),
        *(
            run_verbs.list_runs,
            run_verbs.stop,
            run_verbs.pause,
            run_verbs.resume,
            audit.audit,
            run_verbs.predict,
            run_verbs.export,
            cache.cache,
        ),
        *(run_verbs.work, explore.rates, explore.probe, explore.rank, run_verbs.train),
        *(compare.compare, compare.comparisons, demo.demo, bench.bench),
    )
}
_TOP = click.Group(
    commands=VERBS,
    help="Thaw without the browser: the same engine, the same workspace.",
    subcommand_metavar="VERB ...",
    context_settings={"max_content_width": 120},
)


def main(arguments: Sequence[str] | None = None, *, group: click.Group = _TOP) -> int:
    """Run one verb of `group`; returns the exit code."""
    try:
        with group.make_context(COMMAND, list(sys.argv[1:] if arguments is None else arguments)) as context:
            group.invoke(context)
    except click.exceptions.Exit as end:  # --help
        return end.exit_code
    except (EngineError, click.ClickException) as error:
        sentence = error.format_message() if isinstance(error, click.ClickException) else str(error)
        print(sentence, file=sys.stderr)
        return 1 if sentence.startswith(DEFECT) else 2
    except BrokenPipeError:  # `| head` is no mistake
        return 0
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 2
    return 0
