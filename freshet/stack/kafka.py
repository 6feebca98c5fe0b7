"""Kafka: one node that is broker and controller (KRaft), on loopback."""

import subprocess
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

from freshet.errors import FreshetError
from freshet.stack.part import Kit, Part
from freshet.stack.ports import HOST, is_open
from freshet.stack.process import Record

# One node can hold one replica. Internal topics get few partitions: each is a folder, a few open files and a little
# time at every start. Rebalances do not wait for members that will not come.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{broker},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{broker}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
num.partitions=1
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0

# A topic is made by `freshet schemas register`; one made by a misspelt name would hide the mistake.
auto.create.topics.enable=false
# Flink's sink asks for an hour, so that a long recovery does not lose its transaction; the broker's default refuses.
transaction.max.timeout.ms=3600000

# Small segments let retention and compaction show their effect on a laptop's worth of data.
log.segment.bytes=67108864
log.cleaner.dedupe.buffer.size=16777216
num.network.threads=2
num.io.threads=4
"""

LOG4J = """\
rootLogger.level = INFO
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p [%t] %m (%c)%n
"""


class KafkaPart(Part):
    """The broker; its log segments are in `data/kafka` and survive `down`."""

    name = "kafka"
    group: ClassVar[str | None] = "kafka"

    @property
    def ports(self) -> tuple[int, ...]:
        """Broker, controller."""
        local = self.settings.local
        return local.port("kafka"), local.port("kafka-controller")

    @property
    def data(self) -> Path:
        """The folder of the log segments."""
        return self.home.data / "kafka"

    @property
    def conf(self) -> Path:
        """The folder of the generated configuration."""
        return self.home.root / "kafka"

    def prepare(self, kit: Kit) -> None:
        """Write the configuration, and format the data folder the first time."""
        self.conf.mkdir(exist_ok=True)
        broker, controller = self.ports
        text = PROPERTIES.format(host=HOST, broker=broker, controller=controller, data=self.data)
        self._properties.write_text(text, encoding="utf-8")
        self._log4j.write_text(LOG4J, encoding="utf-8")
        if not (self.data / "meta.properties").exists():
            self._format(kit)

    def _format(self, kit: Kit) -> None:
        arguments = ["format", "--cluster-id", uuid4().hex[:22], "--config", str(self._properties)]
        command = [*self._java(kit), "-Xmx128m", "kafka.tools.StorageTool", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            self.output.write_text(done.stdout + done.stderr, encoding="utf-8")
            raise FreshetError(f"Kafka's data folder {self.data} could not be formatted; read {self.output}.")

    @property
    def _properties(self) -> Path:
        return self.conf / "server.properties"

    @property
    def _log4j(self) -> Path:
        return self.conf / "log4j2.properties"

    def _java(self, kit: Kit) -> list[str]:
        class_path = ":".join(str(jar) for jar in kit.artefacts)
        return [kit.java.executable, f"-Dlog4j2.configurationFile={self._log4j}", "-cp", class_path]

    def command(self, kit: Kit) -> list[str]:
        """Return the broker's command line; its collector settings are those of Kafka's own scripts."""
        memory = ["-Xms128m", "-Xmx512m", "-XX:MaxMetaspaceSize=128m"]
        collector = ["-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35"]
        return [*self._java(kit), *memory, *collector, "-Djava.awt.headless=true", "kafka.Kafka", str(self._properties)]

    def is_healthy(self, record: Record) -> bool:
        """Ask for the cluster's metadata."""
        if not is_open(record.port):
            return False
        import kafka
        from kafka.errors import KafkaError

        try:
            admin = kafka.KafkaAdminClient(bootstrap_servers=f"{HOST}:{record.port}", request_timeout_ms=5000)
            try:
                return bool(admin.describe_cluster()["brokers"])
            finally:
                admin.close()
        except (KafkaError, OSError):
            return False
