"""The shop's features, as Feast declares them and Flink keeps them fresh.

An `Aggregation` says what is computed: `function` over `column`, in a window of `time_window` that moves by
`slide_interval`; for the functions of decay the `time_window` is the half-life; for those of sessions it is the gap that
ends one. Tags refine one feature: `<feature>.where` is the condition in SQL under which an event counts, `<feature>.n` a
length; a rate is the share of events for which `<feature>.hit` holds, pulled towards `<feature>.prior` as if
`<feature>.prior_weight` events had been seen before.

A `Rule` is a pattern in what a user does and what that user's lists do about it for a while.

`feast apply` registers the views; `freshet features apply` the rules too. `freshet features plan` prints what Flink makes
of them.
"""

from datetime import timedelta

from feast import Entity, Field, FileSource, KafkaSource, StreamFeatureView, ValueType
from feast.aggregation import Aggregation
from feast.data_format import AvroFormat
from feast.types import Array, Float64, Int64, String

from freshet.udfs.rules import Abandoned, Boost, InARow, Intervene, Often, Recall, Rule

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

user = Entity(
    name="user",
    join_keys=["subject"],
    value_type=ValueType.STRING,
    description="A user, by pseudonym: no feature key holds a user id.",
)
item = Entity(name="item", join_keys=["item_id"], value_type=ValueType.STRING, description="An item of the catalogue.")
category = Entity(
    name="category",
    join_keys=["category"],
    value_type=ValueType.STRING,
    description="A category, the second level of the catalogue's tree.",
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

PURCHASE = "event_type = 'purchase'"
PAGE_VIEWS = "event_type IN ('view', 'click', 'category_view', 'search', 'play')"

user_activity = StreamFeatureView(
    name="user_activity",
    entities=[user],
    ttl=timedelta(days=90),
    source=interactions_clean,
    timestamp_field="event_time",
    schema=[
        Field(name="subject", dtype=String),
        Field(name="user_events_count_5m", dtype=Int64, description="events of the last 5 minutes"),
        Field(name="user_events_count_1h", dtype=Int64, description="events of the last hour"),
        Field(name="user_events_count_24h", dtype=Int64, description="events of the last day"),
        Field(name="user_spend_sum_24h", dtype=Float64, description="paid in the last day"),
        Field(
            name="user_items_last_20", dtype=Array(String), description="items of the latest 20 events, newest first"
        ),
        Field(
            name="user_item_times_last_20",
            dtype=Array(String),
            description="when these events were, milliseconds as text",
        ),
        Field(name="user_purchases_last_50", dtype=Array(String), description="items bought last, newest first"),
        Field(
            name="user_purchase_times_last_50",
            dtype=Array(String),
            description="when these were bought, milliseconds as text",
        ),
        Field(
            name="user_cart_events_last_50",
            dtype=Array(String),
            description="what went into the cart, out of it, or was bought: the kind of event and the item",
        ),
        Field(
            name="user_categories_last_50",
            dtype=Array(String),
            description="categories of the latest events, each once, newest first",
        ),
        Field(name="user_session_length", dtype=Int64, description="events of the current session"),
        Field(name="user_session_depth", dtype=Int64, description="pages seen in the current session"),
        Field(name="user_session_duration", dtype=Float64, description="seconds from its first to its last event"),
        Field(name="user_session_items_10", dtype=Array(String), description="its latest items, each once"),
        Field(name="user_clicks_count_1h", dtype=Int64, description="clicks of the last hour"),
        Field(name="user_items_distinct_1h", dtype=Int64, description="different items of the last hour"),
        Field(
            name="user_purchase_mean_24h", dtype=Float64, description="mean price of what was bought in the last day"
        ),
        Field(name="user_purchase_max_24h", dtype=Float64, description="dearest purchase of the last day"),
        Field(name="user_cart_rate_24h", dtype=Float64, description="share of page views that went into the cart"),
        Field(name="user_since_purchase", dtype=Float64, description="seconds since the last purchase"),
        Field(
            name="user_top_categories_24h", dtype=Array(String), description="the three categories seen most in a day"
        ),
    ],
    aggregations=[
        Aggregation(
            name="user_events_count_5m",
            function="count",
            column="event_id",
            time_window=5 * MINUTE,
            slide_interval=MINUTE,
        ),
        Aggregation(
            name="user_events_count_1h",
            function="count",
            column="event_id",
            time_window=HOUR,
            slide_interval=5 * MINUTE,
        ),
        Aggregation(
            name="user_events_count_24h",
            function="count",
            column="event_id",
            time_window=DAY,
            slide_interval=30 * MINUTE,
        ),
        Aggregation(
            name="user_spend_sum_24h", function="sum", column="value", time_window=DAY, slide_interval=30 * MINUTE
        ),
        Aggregation(name="user_items_last_20", function="last_n", column="item_id"),
        Aggregation(name="user_item_times_last_20", function="last_n", column="moment"),
        Aggregation(name="user_purchases_last_50", function="last_n", column="item_id"),
        Aggregation(name="user_purchase_times_last_50", function="last_n", column="moment"),
        Aggregation(name="user_cart_events_last_50", function="last_n", column="step"),
        Aggregation(name="user_categories_last_50", function="last_n_distinct", column="category"),
        Aggregation(name="user_session_length", function="session_count", column="event_id", time_window=30 * MINUTE),
        Aggregation(name="user_session_depth", function="session_count", column="event_id", time_window=30 * MINUTE),
        Aggregation(
            name="user_session_duration", function="session_duration", column="event_time", time_window=30 * MINUTE
        ),
        Aggregation(name="user_session_items_10", function="session_items", column="item_id", time_window=30 * MINUTE),
        Aggregation(
            name="user_clicks_count_1h",
            function="count",
            column="event_id",
            time_window=HOUR,
            slide_interval=5 * MINUTE,
        ),
        Aggregation(
            name="user_items_distinct_1h",
            function="count_distinct",
            column="item_id",
            time_window=HOUR,
            slide_interval=5 * MINUTE,
        ),
        Aggregation(
            name="user_purchase_mean_24h", function="mean", column="value", time_window=DAY, slide_interval=30 * MINUTE
        ),
        Aggregation(
            name="user_purchase_max_24h", function="max", column="value", time_window=DAY, slide_interval=30 * MINUTE
        ),
        Aggregation(
            name="user_cart_rate_24h", function="rate", column="event_id", time_window=DAY, slide_interval=30 * MINUTE
        ),
        Aggregation(name="user_since_purchase", function="since_last", column="event_id"),
        Aggregation(
            name="user_top_categories_24h",
            function="top_k",
            column="category",
            time_window=DAY,
            slide_interval=30 * MINUTE,
        ),
    ],
    tags={
        "derive.moment": "CASE WHEN item_id IS NOT NULL THEN CAST(event_time AS STRING) END",
        "derive.step": "event_type || ' ' || item_id",
        "user_spend_sum_24h.where": PURCHASE,
        "user_items_last_20.n": "20",
        "user_item_times_last_20.n": "20",
        "user_purchases_last_50.n": "50",
        "user_purchase_times_last_50.n": "50",
        "user_purchase_times_last_50.where": PURCHASE,
        "user_cart_events_last_50.n": "50",
        "user_cart_events_last_50.where": "event_type IN ('add_to_cart', 'remove_from_cart', 'purchase')",
        "user_categories_last_50.n": "50",
        "user_purchases_last_50.where": PURCHASE,
        "user_session_depth.where": PAGE_VIEWS,
        "user_session_items_10.n": "10",
        "user_clicks_count_1h.where": "event_type = 'click'",
        "user_purchase_mean_24h.where": PURCHASE,
        "user_purchase_max_24h.where": PURCHASE,
        "user_cart_rate_24h.where": "event_type IN ('view', 'add_to_cart')",
        "user_cart_rate_24h.hit": "event_type = 'add_to_cart'",
        "user_cart_rate_24h.prior": "0.05",
        "user_cart_rate_24h.prior_weight": "20",
        "user_since_purchase.where": PURCHASE,
        "user_top_categories_24h.n": "3",
    },
    description="What a user does now: counts, spend, latest items, the session.",
)

user_category_affinity = StreamFeatureView(
    name="user_category_affinity",
    entities=[user, category],
    ttl=timedelta(days=90),
    source=interactions_clean,
    timestamp_field="event_time",
    schema=[
        Field(name="subject", dtype=String),
        Field(name="category", dtype=String),
        Field(name="user_category_ewma_7d", dtype=Float64, description="lasting interest"),
        Field(name="user_category_ewma_30m", dtype=Float64, description="interest of the moment"),
    ],
    aggregations=[
        Aggregation(name="user_category_ewma_7d", function="ewma", column="event_id", time_window=7 * DAY),
        Aggregation(name="user_category_ewma_30m", function="ewma", column="event_id", time_window=30 * MINUTE),
    ],
    description="How much a user is drawn to a category: events, each halved with every half-life of its age.",
)

item_popularity = StreamFeatureView(
    name="item_popularity",
    entities=[item],
    ttl=timedelta(days=90),
    source=interactions_clean,
    timestamp_field="event_time",
    schema=[
        Field(name="item_id", dtype=String),
        Field(name="item_events_ewma_1h", dtype=Float64, description="popularity of the hour"),
        Field(name="item_events_ewma_24h", dtype=Float64, description="popularity of the day"),
        Field(name="item_events_trend_1h_24h", dtype=Float64, description="rate of the hour over that of the day"),
        Field(name="item_click_rate_24h", dtype=Float64, description="share of clicks among views and clicks of a day"),
        Field(
            name="item_purchase_rate_ewma_7d", dtype=Float64, description="share of purchases, the latest weigh most"
        ),
        Field(name="item_users_distinct_24h", dtype=Int64, description="about how many different users in a day"),
        Field(name="item_since_purchase", dtype=Float64, description="seconds since it was last bought"),
    ],
    aggregations=[
        Aggregation(name="item_events_ewma_1h", function="ewma", column="event_id", time_window=HOUR),
        Aggregation(name="item_events_ewma_24h", function="ewma", column="event_id", time_window=DAY),
        Aggregation(
            name="item_events_trend_1h_24h", function="trend", column="event_id", time_window=DAY, slide_interval=HOUR
        ),
        Aggregation(
            name="item_click_rate_24h", function="rate", column="event_id", time_window=DAY, slide_interval=HOUR
        ),
        Aggregation(name="item_purchase_rate_ewma_7d", function="ewma_rate", column="event_id", time_window=7 * DAY),
        Aggregation(
            name="item_users_distinct_24h",
            function="approx_count_distinct",
            column="subject",
            time_window=DAY,
            slide_interval=HOUR,
        ),
        Aggregation(name="item_since_purchase", function="since_last", column="event_id"),
    ],
    tags={
        "item_click_rate_24h.where": "event_type IN ('view', 'click')",
        "item_click_rate_24h.hit": "event_type = 'click'",
        "item_click_rate_24h.prior": "0.1",
        "item_click_rate_24h.prior_weight": "20",
        "item_purchase_rate_ewma_7d.hit": PURCHASE,
        "item_purchase_rate_ewma_7d.prior": "0.02",
        "item_purchase_rate_ewma_7d.prior_weight": "50",
        "item_since_purchase.where": PURCHASE,
    },
    description="How popular an item is, and whether that grows.",
)

category_trends = StreamFeatureView(
    name="category_trends",
    entities=[category],
    ttl=timedelta(days=90),
    source=interactions_clean,
    timestamp_field="event_time",
    schema=[
        Field(name="category", dtype=String),
        Field(name="category_events_ewma_1h", dtype=Float64, description="popularity of the hour"),
        Field(name="category_events_trend_1h_24h", dtype=Float64, description="rate of the hour over that of the day"),
        Field(name="category_spend_sum_24h", dtype=Float64, description="paid in the last day"),
        Field(name="category_price_stddev_24h", dtype=Float64, description="spread of the prices paid in the last day"),
        Field(name="category_purchase_rate_24h", dtype=Float64, description="share of purchases among a day's events"),
        Field(name="category_events_by_hour", dtype=Array(Int64), description="events of each of the latest 24 hours"),
    ],
    aggregations=[
        Aggregation(name="category_events_ewma_1h", function="ewma", column="event_id", time_window=HOUR),
        Aggregation(
            name="category_events_trend_1h_24h",
            function="trend",
            column="event_id",
            time_window=DAY,
            slide_interval=HOUR,
        ),
        Aggregation(
            name="category_spend_sum_24h", function="sum", column="value", time_window=DAY, slide_interval=HOUR
        ),
        Aggregation(
            name="category_price_stddev_24h", function="stddev", column="value", time_window=DAY, slide_interval=HOUR
        ),
        Aggregation(
            name="category_purchase_rate_24h", function="rate", column="event_id", time_window=DAY, slide_interval=HOUR
        ),
        Aggregation(
            name="category_events_by_hour",
            function="histogram",
            column="event_id",
            time_window=DAY,
            slide_interval=HOUR,
        ),
    ],
    tags={
        "category_spend_sum_24h.where": PURCHASE,
        "category_price_stddev_24h.where": PURCHASE,
        "category_purchase_rate_24h.hit": PURCHASE,
        "category_purchase_rate_24h.prior": "0.02",
        "category_purchase_rate_24h.prior_weight": "50",
    },
    description="How a category does: its pace, what is spent in it, how often one buys.",
)

category_interest = Rule(
    "category_interest",
    InARow(3, within=10 * MINUTE, column="category", where="event_type IN ('view', 'click')"),
    Boost(factor=2, lasts=30 * MINUTE),
)

big_spender = Rule(
    "big_spender",
    Often(3, within=10 * MINUTE, where="event_type IN ('add_to_cart', 'purchase') AND `value` >= 50"),
    Recall(lasts=30 * MINUTE),
)

cart_abandoned = Rule(
    "cart_abandoned",
    Abandoned("add_to_cart", ends=("purchase", "remove_from_cart"), after=20 * MINUTE),
    Intervene("coupon", lasts=DAY),
)
