"""ZooKeeper, by which a new JobManager finds the jobs of the one before: the server in the jar that Flink's client is in."""

import socket
from pathlib import Path
from typing import ClassVar

from freshet.stack.flink import distribution
from freshet.stack.part import Kit, Part
from freshet.stack.ports import HOST
from freshet.stack.process import Record

JAR = "flink-shaded-zookeeper"
MAIN = "org.apache.flink.shaded.zookeeper3.org.apache.zookeeper.server.ZooKeeperServerMain"

CONFIGURATION = """# Written by `freshet up`.
dataDir={data}
clientPort={port}
clientPortAddress={host}
admin.enableServer=false
tickTime=2000
autopurge.snapRetainCount=3
autopurge.purgeInterval=1
"""


class ZooKeeperPart(Part):
    """One server, without a quorum: what it keeps is on disk, and survives it."""

    name = "zookeeper"
    group: ClassVar[str | None] = "flink"

    @property
    def ports(self) -> tuple[int, ...]:
        """Its only port."""
        return (self.settings.local.port("zookeeper"),)

    @property
    def configuration(self) -> Path:
        """Its file of settings."""
        return self.home.data / "zookeeper" / "zoo.cfg"

    def prepare(self, kit: Kit) -> None:
        """Write its settings."""
        folder = self.configuration.parent
        folder.mkdir(exist_ok=True)
        self.configuration.write_text(CONFIGURATION.format(data=folder, port=self.ports[0], host=HOST), "utf-8")

    def command(self, kit: Kit) -> list[str]:
        """Return its command line; it logs as Flink does, to its output."""
        (jar,) = (path for path in kit.artefacts if path.name.startswith(JAR))
        logging = distribution() / "conf" / "log4j-cli.properties"
        options = ["-Xmx64m", "-XX:+UseSerialGC", "-Dzookeeper.jmx.log4j.disable=true"]
        logged = [f"-Dlog4j2.configurationFile={logging.as_uri()}", "-Dlog.file=/dev/stdout"]
        classes = f"{jar}:{distribution() / 'lib'}/*"
        return [kit.java.executable, *options, *logged, "-cp", classes, MAIN, str(self.configuration)]

    def is_healthy(self, record: Record) -> bool:
        """Ask it for what it calls `srvr`: its state, once it serves."""
        try:
            with socket.create_connection((HOST, record.port), timeout=2) as asked:
                asked.sendall(b"srvr")
                return b"Mode: " in b"".join(iter(lambda: asked.recv(4096), b""))
        except OSError:
            return False
