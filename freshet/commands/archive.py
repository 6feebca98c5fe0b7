"""`freshet archive`: copy clean events from Kafka into Parquet files."""

from typing import Annotated

import typer

from freshet.console import JsonFlag, print_json, say
from freshet.errors import FreshetError
from freshet.settings import load_settings

ToEnd = Annotated[bool, typer.Option("--to-end", help="Stop at what the topic holds now.")]


def archive(to_end: ToEnd = False, as_json: JsonFlag = False) -> None:
    """Copy `interactions.clean` into the archive: Parquet files by day, each event once.

    It runs until it is stopped. Started again, or started twice, it goes on where it was and shares the work.
    The archive is what training sets are made from: [bold]freshet features history[/bold]
    """
    from kafka.errors import KafkaError

    from freshet.archive.write import Archiver
    from freshet.commands.schemas import quieten_the_kafka_client

    settings = load_settings()
    quieten_the_kafka_client()
    if not as_json:
        say(f"Writing to {settings.archive.path}.")
    try:
        count = Archiver(settings).run(
            to_end=to_end, progress=lambda so_far: None if as_json else say(f"{so_far:,} events")
        )
    except KafkaError as error:
        raise FreshetError(f"Kafka at {settings.kafka.bootstrap_servers} does not answer: {error}") from None
    if as_json:
        print_json({"events": count, "path": settings.archive.path})
        return
    say(f"{count:,} events copied.")
