"""Where the local stack keeps what it needs: one folder for its state, one that ships with Freshet."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from freshet.errors import FreshetError


@dataclass(frozen=True)
class Home:
    """The folder of one local stack. Removing it removes every trace of that stack."""

    root: Path

    @property
    def data(self) -> Path:
        """What must survive `down`: the broker's log segments and the store's append-only file."""
        return self.root / "data"

    @property
    def logs(self) -> Path:
        """One or two files a part, the run before kept beside them."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """One small file for each process that was started."""
        return self.root / "run"

    @property
    def dist(self) -> Path:
        """What is unpacked from an archive; can be made again at any time."""
        return self.root / "dist"

    @property
    def flink(self) -> Path:
        """Flink's generated configuration, its links to jars, and its checkpoints and savepoints."""
        return self.root / "flink"

    @property
    def pseudonym_key(self) -> Path:
        """The secret of the keyed hash of user ids."""
        return self.root / "pseudonym.key"

    def create(self) -> None:
        """Make the folders and the pseudonym key, leaving alone what is there.

        Raises:
            FreshetError: the folder cannot be written.
        """
        try:
            for folder in (self.data, self.logs, self.run, self.dist, self.flink):
                folder.mkdir(parents=True, exist_ok=True)
            self._create_key()
        except OSError as error:
            raise FreshetError(
                f"The stack's folder {self.root} cannot be written ({error.strerror}); "
                "set FRESHET_LOCAL__HOME to a folder that can."
            ) from None

    def _create_key(self) -> None:
        try:
            # The mode is given at creation: a key that is readable for a moment has been readable.
            handle = os.open(self.pseudonym_key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")


def shipped_conf() -> Path:
    """Return the folder `flink-conf` that ships with Freshet, in a checkout or in an installed package."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "flink_conf"
    return installed if installed.is_dir() else package.parent / "flink-conf"
