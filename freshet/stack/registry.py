"""Apicurio Registry, a schema registry with Confluent's API, keeping its schemas in a topic of the local broker."""

from pathlib import Path
from typing import ClassVar

from freshet.errors import FreshetError
from freshet.stack.jars import unpack
from freshet.stack.part import Kit, Part
from freshet.stack.ports import HOST
from freshet.stack.process import Record


class RegistryPart(Part):
    """The schema registry."""

    name = "registry"
    after: ClassVar[tuple[str, ...]] = ("kafka",)
    group: ClassVar[str | None] = "registry"

    @property
    def ports(self) -> tuple[int, ...]:
        """Its HTTP port."""
        return (self.settings.local.port("registry"),)

    @property
    def address(self) -> str:
        """The base URL of its Confluent API."""
        return f"http://{HOST}:{self.ports[0]}/apis/ccompat/v7"

    def prepare(self, kit: Kit) -> None:
        """Unpack it, once for each version."""
        (archive,) = kit.artefacts
        (self.home.data / "registry").mkdir(exist_ok=True)
        try:
            unpack(archive, self._folder(kit))
        except OSError as error:
            raise FreshetError(f"{archive.name} cannot be unpacked in {self.home.dist}: {error.strerror}.") from None

    def _folder(self, kit: Kit) -> Path:
        (archive,) = kit.artefacts
        return self.home.dist / archive.name.removesuffix(".tar.gz")

    def command(self, kit: Kit) -> list[str]:
        """Return its command line: a small heap, the cheap collector, and only the compiler that saves time at start."""
        options = ["-Xms64m", "-Xmx256m", "-XX:MaxMetaspaceSize=192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        return [kit.java.executable, *options, "-jar", str(self._folder(kit) / "quarkus-run.jar")]

    def environment(self, kit: Kit) -> dict[str, str]:
        """Return its environment, where Quarkus reads its settings.

        Its second port, for management, is one that nobody needs: 0 lets the system pick a free one.
        """
        return super().environment(kit) | {
            "QUARKUS_HTTP_HOST": HOST,
            "QUARKUS_HTTP_PORT": str(self.ports[0]),
            "QUARKUS_MANAGEMENT_HOST": HOST,
            "QUARKUS_MANAGEMENT_PORT": "0",
            "QUARKUS_HTTP_ACCESS_LOG_ENABLED": "false",
            "QUARKUS_LOG_LEVEL": "WARN",
            "APICURIO_STORAGE_KIND": "kafkasql",
            "APICURIO_KAFKASQL_BOOTSTRAP_SERVERS": f"{HOST}:{self.settings.local.port('kafka')}",
            # It looks for snapshots twice before it reads the schemas, and waits this long in vain (default 5 s).
            "APICURIO_KAFKASQL_CONSUMER_POLL_TIMEOUT": "500",
            "APICURIO_STORAGE_SNAPSHOT_LOCATION": str(self.home.data / "registry"),
            # The database in memory that mirrors the topic opens 20 connections unless told otherwise.
            "APICURIO_DATASOURCE_JDBC_INITIAL_SIZE": "2",
            "APICURIO_DATASOURCE_JDBC_MIN_SIZE": "2",
            "APICURIO_DATASOURCE_JDBC_MAX_SIZE": "10",
        }

    def is_healthy(self, record: Record) -> bool:
        """List the subjects: answered only once the topic has been read."""
        import httpx

        try:
            return httpx.get(f"http://{HOST}:{record.port}/apis/ccompat/v7/subjects", timeout=5).is_success
        except httpx.HTTPError:
            return False
