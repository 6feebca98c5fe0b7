"""What needs no server: settings, the pseudonym key, the model."""

import os
import stat
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from freshet.doctor.finding import Finding, ok, warning
from freshet.settings import Settings

PREFIX = "FRESHET_"


def variables() -> list[str]:
    """Return the name of every setting's variable."""
    sections = {name: field.annotation for name, field in Settings.model_fields.items()}
    return [
        f"{PREFIX}{section.upper()}__{name.upper()}"
        for section, model in sections.items()
        for name in getattr(model, "model_fields", {})
    ]


def judge_settings(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Tell which variables count, and of those that look like ours and are none."""
    known = variables()
    ours = sorted(name for name in environment if name.upper().startswith(PREFIX))
    strange = [name for name in ours if name.upper() not in known]
    for name in strange:
        near = get_close_matches(name.upper(), known, n=1)
        meant = f"did you mean {near[0]}?" if near else "unset it; the README lists them all."
        yield warning("settings", f"{name} is no setting and changes nothing: {meant}")
    yield ok("settings", f"They can be read; {len(ours) - len(strange)} variables are set.")


def judge_key(settings: Settings) -> Iterator[Finding]:
    """Tell whether there is a pseudonym key, and who can read it.

    Raises:
        FreshetError: there is none.
    """
    from freshet.udfs.pseudonym import KEY_VARIABLE, load_key

    load_key.cache_clear()
    load_key(settings.privacy.pseudonym_key_file)
    path = settings.privacy.pseudonym_key_file
    if os.environ.get(KEY_VARIABLE):
        yield ok("key", f"The pseudonym key comes from {KEY_VARIABLE}.")
    elif path is not None:
        yield judge_key_file(path, path.stat().st_mode)


def judge_key_file(path: Path, mode: int) -> Finding:
    """Tell whether only its owner can read the key's file."""
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return warning("key", f"Others can read the pseudonym key: `chmod 600 {path}`.")
    return ok("key", f"The pseudonym key is in {path}, for its owner alone; back it up.")


def judge_model(settings: Settings) -> Iterator[Finding]:
    """Load the model as the scoring job does.

    Raises:
        FreshetError: it is missing, damaged, or of another version.
    """
    try:
        from freshet.models.scorer import OnnxScorer
    except ImportError as error:
        yield warning("model", f"It cannot be tried here ({error}); install requirements/runtime.txt to try it.")
        return
    from freshet.models.artefact import Artefact

    Artefact.load(settings.model.path)
    scorer = OnnxScorer.load(settings.model.path, settings.model.providers)
    yield ok("model", f"{scorer.version} loads and scores on {scorer.provider}.")
