-- unique_events
SELECT `event_id`, `subject`, `item_id`, `event_type`, `event_time`, `value`, `department`, `category`, `product_type`, `brand`, `source_offset`, pt
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY pt) AS copy FROM events)
WHERE copy = 1;

-- with_item_popularity
SELECT `event_id`, `subject`, `item_id`, `event_type`, `event_time`, `value`, `department`, `category`, `product_type`, `brand`, `source_offset`, pt, freshet_row(version, as_of, `item_events_ewma_1h`, `item_events_ewma_24h`, `item_events_trend_1h_24h`) AS `item_popularity`
FROM (
  SELECT `event_id`, `subject`, `item_id`, `event_type`, `event_time`, `value`, `department`, `category`, `product_type`, `brand`, `source_offset`, pt,
         COUNT(*) OVER key_so_far AS version,
         MAX(event_time) OVER key_so_far AS as_of,
         freshet_ewma(CASE WHEN (`event_id` IS NOT NULL) THEN 1e0 END, event_time, 3600000) OVER key_so_far AS `item_events_ewma_1h`,
         freshet_ewma(CASE WHEN (`event_id` IS NOT NULL) THEN 1e0 END, event_time, 86400000) OVER key_so_far AS `item_events_ewma_24h`,
         freshet_trend(CASE WHEN (`event_id` IS NOT NULL) THEN 1e0 END, event_time, 3600000, 86400000) OVER key_so_far AS `item_events_trend_1h_24h`
  FROM unique_events
  WINDOW key_so_far AS (
    PARTITION BY `item_id` ORDER BY pt ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  )
);

-- with_user_activity
SELECT `event_id`, `subject`, `item_id`, `event_type`, `event_time`, `value`, `department`, `category`, `product_type`, `brand`, `source_offset`, `item_popularity`, pt, freshet_row(version, as_of, `user_events_count_5m`, `user_events_count_1h`, `user_events_count_24h`, `user_spend_sum_24h`, `user_items_last_20`, `user_purchases_last_50`, `user_categories_last_50`, `user_session_length`, `user_session_depth`, `user_session_duration`) AS `user_activity`
FROM (
  SELECT `event_id`, `subject`, `item_id`, `event_type`, `event_time`, `value`, `department`, `category`, `product_type`, `brand`, `source_offset`, `item_popularity`, pt,
         COUNT(*) OVER key_so_far AS version,
         MAX(event_time) OVER key_so_far AS as_of,
         freshet_count((`event_id` IS NOT NULL), event_time, 300000, 60000) OVER key_so_far AS `user_events_count_5m`,
         freshet_count((`event_id` IS NOT NULL), event_time, 3600000, 300000) OVER key_so_far AS `user_events_count_1h`,
         freshet_count((`event_id` IS NOT NULL), event_time, 86400000, 1800000) OVER key_so_far AS `user_events_count_24h`,
         freshet_sum(CASE WHEN (`value` IS NOT NULL AND (event_type = 'purchase')) THEN `value` END, event_time, 86400000, 1800000) OVER key_so_far AS `user_spend_sum_24h`,
         freshet_last_n(CASE WHEN (`item_id` IS NOT NULL) THEN `item_id` END, event_time, source_offset, 20) OVER key_so_far AS `user_items_last_20`,
         freshet_last_n(CASE WHEN (`item_id` IS NOT NULL AND (event_type = 'purchase')) THEN `item_id` END, event_time, source_offset, 50) OVER key_so_far AS `user_purchases_last_50`,
         freshet_last_n_distinct(CASE WHEN (`category` IS NOT NULL) THEN `category` END, event_time, source_offset, 50) OVER key_so_far AS `user_categories_last_50`,
         freshet_session_count((`event_id` IS NOT NULL), event_time, 1800000) OVER key_so_far AS `user_session_length`,
         freshet_session_count((`event_id` IS NOT NULL AND (event_type IN ('view', 'click', 'category_view', 'search', 'play'))), event_time, 1800000) OVER key_so_far AS `user_session_depth`,
         freshet_session_duration(event_time, 1800000) OVER key_so_far AS `user_session_duration`
  FROM with_item_popularity
  WINDOW key_so_far AS (
    PARTITION BY `subject` ORDER BY pt ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  )
);

-- with_user_category_affinity
SELECT `event_id`, `subject`, `item_id`, `event_type`, `event_time`, `value`, `department`, `category`, `product_type`, `brand`, `source_offset`, `item_popularity`, `user_activity`, pt, freshet_row(version, as_of, `user_category_ewma_7d`, `user_category_ewma_30m`) AS `user_category_affinity`
FROM (
  SELECT `event_id`, `subject`, `item_id`, `event_type`, `event_time`, `value`, `department`, `category`, `product_type`, `brand`, `source_offset`, `item_popularity`, `user_activity`, pt,
         COUNT(*) OVER key_so_far AS version,
         MAX(event_time) OVER key_so_far AS as_of,
         freshet_ewma(CASE WHEN (`event_id` IS NOT NULL) THEN 1e0 END, event_time, 604800000) OVER key_so_far AS `user_category_ewma_7d`,
         freshet_ewma(CASE WHEN (`event_id` IS NOT NULL) THEN 1e0 END, event_time, 1800000) OVER key_so_far AS `user_category_ewma_30m`
  FROM with_user_activity
  WINDOW key_so_far AS (
    PARTITION BY `subject`, `category` ORDER BY pt ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  )
);
