"""`freshet model`: what a trained model holds."""

from pathlib import Path
from typing import Annotated

import typer

from freshet.console import JsonFlag, print_json, say
from freshet.settings import load_settings

app = typer.Typer(help="Models: what a trained one holds.", no_args_is_help=True)
app.callback()(lambda: None)  # keeps a lone verb a verb


@app.command()
def vectors(
    out: Annotated[Path, typer.Option("--out", help="File to write: .jsonl, or .jsonl.gz.")],
    as_json: JsonFlag = False,
) -> None:
    """Write the model's vectors of items, for features that ask for ITEM_VECTOR(item_id).

    The model is that of the scoring job: FRESHET_MODEL__PATH, or the one that ships.
    """
    from freshet.models.artefact import Artefact
    from freshet.models.vectors import write_vectors

    artefact = Artefact.load(load_settings().model.path)
    items, width = write_vectors(artefact, out)
    if as_json:
        print_json({"items": items, "width": width, "path": str(out)})
        return
    say(f"{items:,} vectors of {width} numbers, of {artefact.manifest.name} {artefact.manifest.version}, in {out}.")
    say(f"To compute features of them: FRESHET_FEATURES__ITEM_VECTORS={out.absolute()}")
