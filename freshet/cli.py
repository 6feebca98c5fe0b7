"""The `freshet` command: one module of `freshet/commands/` a verb, joined here."""

import sys

import typer

from freshet.commands import demo, features, replay, schemas, stack, submit, topn
from freshet.console import err
from freshet.errors import FreshetError

app = typer.Typer(
    name="freshet",
    help="Feast's stream features on Flink, a score for every event, top-N lists fresh in Redis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("up")(stack.up)
app.command("down")(stack.down)
app.command("status")(stack.status)
app.command("submit")(submit.submit)
app.add_typer(schemas.app, name="schemas")
app.add_typer(features.app, name="features")
app.command("replay")(replay.replay)
app.command("topn")(topn.topn)
app.command("demo")(demo.demo)


def main() -> None:
    """Run the command line; an error that a user can mend is one sentence and exit code 1."""
    try:
        app()
    except FreshetError as error:
        err.print(f"freshet: {error}", markup=False)
        sys.exit(1)
    except KeyboardInterrupt:
        err.print("freshet: stopped.")
        sys.exit(130)
