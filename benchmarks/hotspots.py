"""Where the time of a running job goes: processor time of each thread of the TaskManager, and the methods it is spent in."""

import re
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from harness import Bench

from freshet.stack.java import find_java

THREAD = re.compile(r'^"(?P<name>.+)" #\d+ .*?cpu=(?P<cpu>[\d.]+)ms', re.MULTILINE)
FRAME = re.compile(r"^\s+(?P<method>[\w.$/<>]+)\(", re.MULTILINE)
SAMPLE = "jdk.ExecutionSample"
RECORDING = "freshet"


@dataclass
class Hotspots:
    """Begins with `start`, ends with `stop`; then the counters are filled."""

    bench: Bench
    folder: Path
    threads: Counter[str] = field(default_factory=Counter)
    """Milliseconds of processor time by thread."""
    methods: Counter[str] = field(default_factory=Counter)
    """Samples whose topmost frame is the method."""
    packages: Counter[str] = field(default_factory=Counter)
    """Samples by the first frame of the stack that is Flink's operator code or ours."""
    samples: int = 0
    _before: dict[str, float] = field(default_factory=dict)

    def start(self) -> None:
        """Note the threads' times and start a flight recording."""
        self._before = self._times()
        self._jcmd("JFR.start", f"name={RECORDING}", "settings=profile")

    def stop(self) -> None:
        """Read both."""
        after = self._times()
        self.threads.update({name: round(cpu - self._before.get(name, 0.0)) for name, cpu in after.items()})
        path = self.folder / "taskmanager.jfr"
        self._jcmd("JFR.dump", f"name={RECORDING}", f"filename={path}")
        self._jcmd("JFR.stop", f"name={RECORDING}")
        self._read(path)

    def _times(self) -> dict[str, float]:
        return {found["name"]: float(found["cpu"]) for found in THREAD.finditer(self._jcmd("Thread.print"))}

    def _read(self, path: Path) -> None:
        command = [self._tool("jfr"), "print", "--events", SAMPLE, "--stack-depth", "40", str(path)]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for event in text.split(SAMPLE)[1:]:
            frames = [found["method"] for found in FRAME.finditer(event)]
            if frames:
                self.samples += 1
                self.methods[frames[0]] += 1

    def _jcmd(self, *arguments: str) -> str:
        record = self.bench.stack.parts["taskmanager"].record()
        assert record is not None
        command = [self._tool("jcmd"), str(record.pid), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def _tool(self, name: str) -> str:
        return str(Path(find_java().executable).with_name(name))
