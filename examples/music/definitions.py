"""The features of a music service: what someone listens to now, which genres draw them, how tracks and genres do.

A track is an item of the catalogue: its category is the genre, its brand the artist. Players send a track's tempo, the
country and the kind of device in an event's `context`. Where a window of five minutes moves by half a minute, a value is
that of the latest ten half minutes.

`freshet features apply --repo examples/music` registers this file; `freshet features plan` prints what Flink makes of it.
"""

from datetime import timedelta

from feast import Entity, Field, FileSource, KafkaSource, StreamFeatureView, ValueType
from feast.aggregation import Aggregation
from feast.data_format import AvroFormat
from feast.types import Array, Float64, Int64, String

HALF_MINUTE, MINUTE, HOUR, DAY = timedelta(seconds=30), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

user = Entity(
    name="user",
    join_keys=["subject"],
    value_type=ValueType.STRING,
    description="A user, by pseudonym: no feature key holds a user id.",
)
track = Entity(name="track", join_keys=["item_id"], value_type=ValueType.STRING, description="A track.")
genre = Entity(
    name="genre",
    join_keys=["category"],
    value_type=ValueType.STRING,
    description="A genre, which the catalogue gives each track as its category.",
)
region = Entity(
    name="region", join_keys=["region"], value_type=ValueType.STRING, description="Where players say that they are."
)

interactions_clean = KafkaSource(
    name="interactions_clean",
    kafka_bootstrap_servers="",  # the job takes the broker from its settings; a definition holds no address
    topic="interactions.clean",
    timestamp_field="event_time",
    message_format=AvroFormat(schema_json=""),  # the registry holds it, as interactions.clean-value
    batch_source=FileSource(
        name="interactions_clean_archive",
        path="archive/interactions.clean",
        timestamp_field="event_time",
        description="The same events as Parquet files, for training sets.",
    ),
    description="Interactions after validation: subject instead of user id, the item's place in the category tree.",
)

PLAY, SKIP, LIKE = "event_type = 'play'", "event_type = 'skip'", "event_type = 'like'"
PLAY_OR_SKIP = "event_type IN ('play', 'skip')"
HOUR_OF_DAY = "MOD(event_time / 3600000, 24)"  # whole hours since 1970, in UTC

user_listening = StreamFeatureView(
    name="user_listening",
    entities=[user],
    ttl=timedelta(days=30),
    source=interactions_clean,
    timestamp_field="event_time",
    schema=[
        Field(name="subject", dtype=String),
        Field(name="user_plays_count_5m", dtype=Int64, description="plays of the last five minutes"),
        Field(name="user_skip_rate_5m", dtype=Float64, description="share of skips among plays and skips"),
        Field(name="user_tempo_mean_5m", dtype=Float64, description="tempo of the moment, in beats a minute"),
        Field(name="user_tempo_usual", dtype=Float64, description="usual tempo, to which that of the moment compares"),
        Field(name="user_genres_distinct_5m", dtype=Int64, description="how many genres: more than one is a shift"),
        Field(name="user_genres_last_5", dtype=Array(String), description="genres heard, the last of them first"),
        Field(name="user_genres_top_7d", dtype=Array(String), description="the three usual genres"),
        Field(name="user_artists_recent", dtype=Array(String), description="artists of the last five minutes"),
        Field(name="user_tracks_played_50", dtype=Array(String), description="played last: a list leaves them out"),
        Field(name="user_tracks_liked_20", dtype=Array(String), description="liked last"),
        Field(name="user_listening_count", dtype=Int64, description="plays since one last fell silent"),
        Field(name="user_listening_duration", dtype=Float64, description="seconds of that session"),
        Field(name="user_hours_top_30d", dtype=Array(String), description="the usual hours of the day, in UTC"),
        Field(name="user_device_last", dtype=String, description="the kind of device in use"),
    ],
    aggregations=[
        Aggregation(
            name="user_plays_count_5m",
            function="count",
            column="event_id",
            time_window=5 * MINUTE,
            slide_interval=HALF_MINUTE,
        ),
        Aggregation(
            name="user_skip_rate_5m",
            function="rate",
            column="event_id",
            time_window=5 * MINUTE,
            slide_interval=HALF_MINUTE,
        ),
        Aggregation(
            name="user_tempo_mean_5m",
            function="mean",
            column="tempo",
            time_window=5 * MINUTE,
            slide_interval=HALF_MINUTE,
        ),
        Aggregation(name="user_tempo_usual", function="ewma_mean", column="tempo", time_window=7 * DAY),
        Aggregation(
            name="user_genres_distinct_5m",
            function="count_distinct",
            column="category",
            time_window=5 * MINUTE,
            slide_interval=HALF_MINUTE,
        ),
        Aggregation(name="user_genres_last_5", function="last_n", column="category", time_window=5 * MINUTE),
        Aggregation(
            name="user_genres_top_7d", function="top_k", column="category", time_window=7 * DAY, slide_interval=6 * HOUR
        ),
        Aggregation(name="user_artists_recent", function="last_n_distinct", column="brand", time_window=5 * MINUTE),
        Aggregation(name="user_tracks_played_50", function="last_n_distinct", column="item_id"),
        Aggregation(name="user_tracks_liked_20", function="last_n_distinct", column="item_id"),
        Aggregation(name="user_listening_count", function="session_count", column="event_id", time_window=20 * MINUTE),
        Aggregation(
            name="user_listening_duration", function="session_duration", column="event_time", time_window=20 * MINUTE
        ),
        Aggregation(
            name="user_hours_top_30d", function="top_k", column="hour", time_window=30 * DAY, slide_interval=DAY
        ),
        Aggregation(name="user_device_last", function="last", column="device"),
    ],
    tags={
        "derive.tempo": "TRY_CAST(context['tempo'] AS DOUBLE)",
        "derive.hour": HOUR_OF_DAY,
        "derive.device": "context['device']",
        "user_plays_count_5m.where": PLAY,
        "user_skip_rate_5m.where": PLAY_OR_SKIP,
        "user_skip_rate_5m.hit": SKIP,
        "user_skip_rate_5m.prior": "0.3",
        "user_skip_rate_5m.prior_weight": "5",
        "user_tempo_mean_5m.where": PLAY,
        "user_tempo_usual.where": PLAY,
        "user_genres_distinct_5m.where": PLAY,
        "user_genres_last_5.where": PLAY,
        "user_genres_last_5.n": "5",
        "user_genres_top_7d.where": PLAY,
        "user_genres_top_7d.n": "3",
        "user_artists_recent.where": PLAY,
        "user_artists_recent.n": "10",
        "user_tracks_played_50.where": PLAY,
        "user_tracks_played_50.n": "50",
        "user_tracks_liked_20.where": LIKE,
        "user_tracks_liked_20.n": "20",
        "user_listening_count.where": PLAY,
        "user_hours_top_30d.where": PLAY,
        "user_hours_top_30d.n": "3",
    },
    description="What someone listens to now: pace, tempo, genres, artists, and what was played.",
)

user_genre_affinity = StreamFeatureView(
    name="user_genre_affinity",
    entities=[user, genre],
    ttl=timedelta(days=30),
    source=interactions_clean,
    timestamp_field="event_time",
    schema=[
        Field(name="subject", dtype=String),
        Field(name="category", dtype=String),
        Field(name="user_genre_plays_ewma_5m", dtype=Float64, description="interest of the moment"),
        Field(name="user_genre_plays_ewma_7d", dtype=Float64, description="lasting interest"),
        Field(name="user_genre_skip_rate_ewma_7d", dtype=Float64, description="how often its tracks are skipped"),
    ],
    aggregations=[
        Aggregation(name="user_genre_plays_ewma_5m", function="ewma", column="event_id", time_window=5 * MINUTE),
        Aggregation(name="user_genre_plays_ewma_7d", function="ewma", column="event_id", time_window=7 * DAY),
        Aggregation(name="user_genre_skip_rate_ewma_7d", function="ewma_rate", column="event_id", time_window=7 * DAY),
    ],
    tags={
        "user_genre_plays_ewma_5m.where": PLAY,
        "user_genre_plays_ewma_7d.where": PLAY,
        "user_genre_skip_rate_ewma_7d.where": PLAY_OR_SKIP,
        "user_genre_skip_rate_ewma_7d.hit": SKIP,
        "user_genre_skip_rate_ewma_7d.prior": "0.3",
        "user_genre_skip_rate_ewma_7d.prior_weight": "5",
    },
    description="How much a user is drawn to a genre. Where the moment outweighs the lasting interest, taste shifts.",
)

track_popularity = StreamFeatureView(
    name="track_popularity",
    entities=[track],
    ttl=timedelta(days=30),
    source=interactions_clean,
    timestamp_field="event_time",
    schema=[
        Field(name="item_id", dtype=String),
        Field(name="track_plays_count_5m", dtype=Int64, description="plays of the last five minutes"),
        Field(name="track_plays_trend_1h_24h", dtype=Float64, description="pace of the hour over that of the day"),
        Field(name="track_skip_rate_24h", dtype=Float64, description="share of skips among plays and skips"),
        Field(name="track_likes_ewma_7d", dtype=Float64, description="likes, the latest of which weigh most"),
        Field(name="track_listeners_distinct_24h", dtype=Int64, description="about how many listeners"),
    ],
    aggregations=[
        Aggregation(
            name="track_plays_count_5m",
            function="count",
            column="event_id",
            time_window=5 * MINUTE,
            slide_interval=HALF_MINUTE,
        ),
        Aggregation(
            name="track_plays_trend_1h_24h", function="trend", column="event_id", time_window=DAY, slide_interval=HOUR
        ),
        Aggregation(
            name="track_skip_rate_24h", function="rate", column="event_id", time_window=DAY, slide_interval=HOUR
        ),
        Aggregation(name="track_likes_ewma_7d", function="ewma", column="event_id", time_window=7 * DAY),
        Aggregation(
            name="track_listeners_distinct_24h",
            function="approx_count_distinct",
            column="subject",
            time_window=DAY,
            slide_interval=HOUR,
        ),
    ],
    tags={
        "track_plays_count_5m.where": PLAY,
        "track_plays_trend_1h_24h.where": PLAY,
        "track_skip_rate_24h.where": PLAY_OR_SKIP,
        "track_skip_rate_24h.hit": SKIP,
        "track_skip_rate_24h.prior": "0.3",
        "track_skip_rate_24h.prior_weight": "20",
        "track_likes_ewma_7d.where": LIKE,
        "track_listeners_distinct_24h.where": PLAY,
    },
    description="How a track does: its pace, who skips it, who likes it.",
)

genre_trends = StreamFeatureView(
    name="genre_trends",
    entities=[genre],
    ttl=timedelta(days=30),
    source=interactions_clean,
    timestamp_field="event_time",
    schema=[
        Field(name="category", dtype=String),
        Field(name="genre_plays_ewma_1h", dtype=Float64, description="popularity of the hour"),
        Field(name="genre_plays_trend_1h_24h", dtype=Float64, description="pace of the hour over that of the day"),
        Field(name="genre_tempo_mean_1h", dtype=Float64, description="tempo of what is played of it"),
    ],
    aggregations=[
        Aggregation(name="genre_plays_ewma_1h", function="ewma", column="event_id", time_window=HOUR),
        Aggregation(
            name="genre_plays_trend_1h_24h", function="trend", column="event_id", time_window=DAY, slide_interval=HOUR
        ),
        Aggregation(
            name="genre_tempo_mean_1h",
            function="mean",
            column="tempo",
            time_window=HOUR,
            slide_interval=5 * MINUTE,
        ),
    ],
    tags={
        "derive.tempo": "TRY_CAST(context['tempo'] AS DOUBLE)",
        "genre_plays_ewma_1h.where": PLAY,
        "genre_plays_trend_1h_24h.where": PLAY,
        "genre_tempo_mean_1h.where": PLAY,
    },
    description="How a genre does.",
)

region_genre_popularity = StreamFeatureView(
    name="region_genre_popularity",
    entities=[region, genre],
    ttl=timedelta(days=30),
    source=interactions_clean,
    timestamp_field="event_time",
    schema=[
        Field(name="region", dtype=String),
        Field(name="category", dtype=String),
        Field(name="region_genre_plays_ewma_1h", dtype=Float64, description="popularity of the hour in a region"),
        Field(name="region_genre_mobile_rate_24h", dtype=Float64, description="share of plays on the way"),
    ],
    aggregations=[
        Aggregation(name="region_genre_plays_ewma_1h", function="ewma", column="event_id", time_window=HOUR),
        Aggregation(
            name="region_genre_mobile_rate_24h",
            function="rate",
            column="event_id",
            time_window=DAY,
            slide_interval=HOUR,
        ),
    ],
    tags={
        "derive.region": "context['geo']",
        "derive.device": "context['device']",
        "region_genre_plays_ewma_1h.where": PLAY,
        "region_genre_mobile_rate_24h.where": PLAY,
        "region_genre_mobile_rate_24h.hit": "device IN ('phone', 'car')",
    },
    description="What is heard where: for those of whom nothing else is known yet.",
)
