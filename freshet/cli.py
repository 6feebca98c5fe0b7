"""The `freshet` command: one module of `freshet/commands/` a verb, joined here."""

import sys
from importlib import import_module

import typer

from freshet.console import err
from freshet.errors import FreshetError

# Verb -> where its function or its group of verbs is. Only the module of the verb at hand is imported: some of them
# bring pandas or Feast, which take seconds.
VERBS = {
    "demo": "demo:demo",
    "up": "stack:up",
    "down": "stack:down",
    "status": "stack:status",
    "doctor": "doctor:doctor",
    "schemas": "schemas:app",
    "features": "features:app",
    "submit": "submit:submit",
    "replay": "replay:replay",
    "topn": "topn:topn",
    "explain": "explain:explain",
    "archive": "archive:archive",
    "train": "train:train",
    "model": "model:app",
    "flink-env": "flink_env:flink_env",
}


def build_app(only: str | None = None) -> typer.Typer:
    """Return the command line, with one verb or with all."""
    app = typer.Typer(
        name="freshet",
        help="Feast's stream features on Flink, a score for every event, top-N lists fresh in Redis.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    app.callback()(lambda: None)  # keeps a lone verb a verb
    for verb in [only] if only else VERBS:
        module, name = VERBS[verb].split(":")
        found = getattr(import_module(f"freshet.commands.{module}"), name)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=verb)
        else:
            app.command(verb)(found)
    return app


def main() -> None:
    """Run the command line; an error that a user can mend is one sentence and exit code 1."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else None
    try:
        build_app(wanted if wanted in VERBS else None)()
    except FreshetError as error:
        err.print(f"freshet: {error}", markup=False)
        sys.exit(1)
    except KeyboardInterrupt:
        err.print("freshet: stopped.")
        sys.exit(130)
