"""Flink: a JobManager and a TaskManager from the `apache-flink` package, with our configuration and our jars.

Nothing in site-packages is changed. Flink's scripts are told where to look by four variables: `FLINK_CONF_DIR` (the
committed `flink-conf/` merged with what depends on the machine), `FLINK_LIB_DIR` (links to the package's jars, its
Python jar and the connectors), `FLINK_LOG_DIR` and `FLINK_PID_DIR`.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

import yaml

from freshet.errors import FreshetError
from freshet.settings import Local, Settings
from freshet.stack.home import Home, shipped_conf
from freshet.stack.java import Java
from freshet.stack.kernel import kernel_jar
from freshet.stack.part import Kit, Part
from freshet.stack.ports import HOST
from freshet.stack.process import Record

METRICS_PORTS = 6
IDENT, HOSTNAME = "freshet", "local"  # parts of the names of Flink's log files

# State on the heap leaves little for managed memory to do; RocksDB lives in it.
MANAGED_FRACTION = {"hashmap": 0.15, "rocksdb": 0.45}

# Variables of another Flink or Hadoop in the user's shell, which the scripts would obey.
FOREIGN = ("FLINK_", "HADOOP_", "HBASE_", "YARN_", "_FLINK_", "JVM_ARGS")

_preparing = Lock()  # both parts of the cluster share one configuration


class Flink:
    """The distribution in site-packages and the folder that makes it ours."""

    def __init__(self, settings: Settings, home: Home) -> None:
        self.local = settings.local
        self.home = home

    @property
    def conf(self) -> Path:
        """The folder of the merged configuration."""
        return self.home.flink / "conf"

    @property
    def lib(self) -> Path:
        """The folder of links to jars."""
        return self.home.flink / "lib"

    def prepare(self, connectors: list[Path], java: Java) -> None:
        """Write the configuration and the links; what is right already is not touched."""
        with _preparing:
            self._refuse_spaces()
            for folder in (self.conf, self.lib, *self.state_folders().values()):
                folder.mkdir(parents=True, exist_ok=True)
            self._write_conf(java)
            kernel = kernel_jar(self.home.flink / "kernel", [*distribution_jars(), *connectors], java)
            link_jars(self.lib, [*distribution_jars(), *connectors, kernel])

    def _refuse_spaces(self) -> None:
        for path in (self.home.root, distribution()):
            if " " in str(path):
                raise FreshetError(
                    f"Flink's scripts cannot run from a path with a space ({path}); move the checkout, or set "
                    "FRESHET_LOCAL__HOME to a path without one."
                )

    def _write_conf(self, java: Java) -> None:
        for source in [*(distribution() / "conf").glob("log4j*.properties"), *shipped_conf().glob("log4j*.properties")]:
            write_if_other(self.conf / source.name, source.read_text(encoding="utf-8"))
        for name in ("masters", "workers"):
            write_if_other(self.conf / name, f"{HOST}\n")
        write_if_other(self.conf / "config.yaml", render(self.configuration(java)))

    def configuration(self, java: Java) -> dict[str, Any]:
        """Return the whole configuration: the committed file, then what depends on the machine."""
        committed = yaml.safe_load((shipped_conf() / "config.yaml").read_text(encoding="utf-8"))
        return flatten(committed) | self._machine(java)

    def _machine(self, java: Java) -> dict[str, Any]:
        return (
            machine_ports(self.local)
            | self._high_availability()
            | {
                "env.java.home": str(java.home),
                "python.executable": sys.executable,
                "python.client.executable": sys.executable,
                "taskmanager.memory.process.size": self.local.taskmanager_memory,
                "taskmanager.memory.managed.fraction": MANAGED_FRACTION[self.local.state_backend],
                "taskmanager.numberOfTaskSlots": self.local.slots,
                "state.backend.type": self.local.state_backend,
                "io.tmp.dirs": str(self.state_folders()["tmp"]),
                "web.tmpdir": str(self.state_folders()["tmp"]),
                "execution.checkpointing.dir": self.state_folders()["checkpoints"].as_uri(),
                "execution.checkpointing.savepoint-dir": self.state_folders()["savepoints"].as_uri(),
            }
        )

    def _high_availability(self) -> dict[str, Any]:
        if not self.local.high_availability:
            return {}
        return {
            "high-availability.type": "zookeeper",
            "high-availability.zookeeper.quorum": f"{HOST}:{self.local.port('zookeeper')}",
            "high-availability.storageDir": self.state_folders()["ha"].as_uri(),
            "high-availability.cluster-id": "/freshet",
            "high-availability.jobmanager.port": self.local.port("flink-jobmanager"),
        }

    def state_folders(self) -> dict[str, Path]:
        """Return the folders that running jobs write to."""
        return {name: self.home.flink / name for name in ("checkpoints", "savepoints", "ha", "tmp")}

    def environment(self, java: Java) -> dict[str, str]:
        """Return the environment in which any script of the distribution finds this cluster."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        return own | {
            "JAVA_HOME": str(java.home),
            # Thread mode embeds Python in the JVM, which finds its packages by the `python3` that PATH names first.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "FLINK_CONF_DIR": str(self.conf),
            "FLINK_LIB_DIR": str(self.lib),
            "FLINK_LOG_DIR": str(self.home.logs),
            "FLINK_PID_DIR": str(self.home.run / "flink"),
            "FLINK_IDENT_STRING": IDENT,
            "HOSTNAME": HOSTNAME,
            # Python workers read the same settings from another folder.
            "FRESHET_LOCAL__HOME": str(self.home.root),
            "FRESHET_LOCAL__PORT_BASE": str(self.local.port_base),
        }


class JobManagerPart(Part):
    """The JobManager: accepts jobs, and serves the web page and the REST API."""

    name = "jobmanager"
    after: ClassVar[tuple[str, ...]] = ("zookeeper",)
    group: ClassVar[str | None] = "flink"
    service: ClassVar[str] = "standalonesession"
    script: ClassVar[str] = "jobmanager.sh"
    ident = IDENT

    def __init__(self, settings: Settings, home: Home) -> None:
        super().__init__(settings, home)
        self.flink = Flink(settings, home)

    @property
    def ports(self) -> tuple[int, ...]:
        """REST, RPC, blobs."""
        port = self.settings.local.port
        return port("flink-rest"), port("flink-jobmanager"), port("flink-blob")

    @property
    def address(self) -> str:
        """Where clients find it."""
        return f"http://{HOST}:{self.ports[0]}"

    @property
    def output(self) -> Path:
        """The file of its standard output and error."""
        return self.home.logs / f"{self.name}.out"

    @property
    def log(self) -> Path:
        """The file that log4j writes."""
        return self.home.logs / f"flink-{self.ident}-{self.service}-0-{HOSTNAME}.log"

    def prepare(self, kit: Kit) -> None:
        """Write the cluster's configuration."""
        self.flink.prepare(list(kit.artefacts), kit.java)
        # The script numbers its log file by the processes that its own note still finds alive, or believes to.
        (self.home.run / "flink" / f"flink-{self.ident}-{self.service}.pid").unlink(missing_ok=True)

    def command(self, kit: Kit) -> list[str]:
        """Return the command line; the script replaces itself by the JVM."""
        return ["bash", str(distribution() / "bin" / self.script), "start-foreground", *self.arguments(kit)]

    def arguments(self, kit: Kit) -> list[str]:
        """Return what its script is told besides the configuration."""
        return []

    def environment(self, kit: Kit) -> dict[str, str]:
        """Return the cluster's environment."""
        return self.flink.environment(kit.java) | {"FLINK_IDENT_STRING": self.ident}

    def is_healthy(self, record: Record) -> bool:
        """Ask for the overview."""
        return self.ask("/overview") is not None

    def ask(self, path: str) -> Any:
        """Return what the REST API answers, or None."""
        import httpx

        try:
            answer = httpx.get(f"http://{HOST}:{self.settings.local.port('flink-rest')}{path}", timeout=5)
            return answer.json() if answer.is_success else None
        except (httpx.HTTPError, ValueError):
            return None


class TaskManagerPart(JobManagerPart):
    """A TaskManager: runs the tasks of jobs and their Python workers. The first one has no number in its name."""

    name = "taskmanager"
    after: ClassVar[tuple[str, ...]] = ()
    service: ClassVar[str] = "taskexecutor"
    script: ClassVar[str] = "taskmanager.sh"

    def __init__(self, settings: Settings, home: Home, number: int = 1) -> None:
        super().__init__(settings, home)
        suffix = f"-{number}" if number > 1 else ""
        self.name, self.ident = f"{type(self).name}{suffix}", f"{IDENT}{suffix}"

    @property
    def ports(self) -> tuple[int, ...]:
        """RPC, data."""
        port = self.settings.local.port
        return port(f"flink-{self.name}"), port(f"flink-{self.name}-data")

    @property
    def address(self) -> str:
        """Where the JobManager finds it."""
        return f"{HOST}:{self.ports[0]}"

    def arguments(self, kit: Kit) -> list[str]:
        """Name this very process, since the JobManager lists a killed one for some seconds more, and its ports."""
        own = {"resource-id": kit.tag, "rpc.port": self.ports[0], "data.port": self.ports[1]}
        return [word for name, value in own.items() for word in ("-D", f"taskmanager.{name}={value}")]

    def is_healthy(self, record: Record) -> bool:
        """Look for this very process, with its slots, among the TaskManagers that the JobManager lists."""
        listed = (self.ask("/taskmanagers") or {}).get("taskmanagers", [])
        return any(one["id"] == record.tag and one["slotsNumber"] > 0 for one in listed)


def machine_ports(local: Local) -> dict[str, Any]:
    """Return the configuration's ports."""
    metrics = local.port("flink-metrics")
    return {
        "rest.port": local.port("flink-rest"),
        "jobmanager.rpc.port": local.port("flink-jobmanager"),
        "blob.server.port": local.port("flink-blob"),
        "metrics.reporter.prom.port": f"{metrics}-{metrics + METRICS_PORTS - 1}",
    }


def distribution() -> Path:
    """Return the folder of the Flink distribution in site-packages.

    Raises:
        FreshetError: it is not installed.
    """
    package = find_spec("pyflink")
    if package is None or package.origin is None:
        raise FreshetError("Flink is not installed in this Python; run `pip install apache-flink==2.3.0`.")
    return Path(package.origin).parent


def distribution_jars() -> list[Path]:
    """Return the jars that every Flink process loads, and the one that runs Python."""
    home = distribution()
    return [*(home / "lib").glob("*.jar"), *(home / "opt").glob("flink-python-*.jar")]


def link_jars(folder: Path, jars: list[Path]) -> None:
    """Make a folder hold links to exactly these jars."""
    wanted = {jar.name: jar for jar in jars}
    for link in folder.iterdir():
        if link.name not in wanted or link.resolve() != wanted[link.name].resolve():
            link.unlink()
    for name, jar in wanted.items():
        if not (folder / name).exists():
            (folder / name).symlink_to(jar.resolve())


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn nested settings into dotted names, which Flink reads as well and which merge by name."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def render(configuration: Mapping[str, Any]) -> str:
    """Return the text of a configuration file, one setting a line: Flink's scripts read it line by line."""
    head = "# Written by `freshet up`: edit flink-conf/config.yaml instead.\n"
    return head + yaml.safe_dump(dict(configuration), width=1_000_000, sort_keys=True)


def write_if_other(path: Path, text: str) -> None:
    """Write a file, unless it reads so already; a process may be reading it."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    scratch = path.with_name(path.name + ".tmp")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)


def flink_command() -> list[str]:
    """Return the beginning of a command line of Flink's own client, to be run in `Flink.environment`."""
    bash = shutil.which("bash")
    if bash is None:
        raise FreshetError("Flink's scripts need bash; install it.")
    return [bash, str(distribution() / "bin" / "flink")]
