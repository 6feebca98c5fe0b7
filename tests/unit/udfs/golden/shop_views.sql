-- unique_events
SELECT `event_id`, `subject`, `item_id`, `event_type`, `event_time`, `value`, `session_id`, `request_id`, `department`, `category`, `product_type`, `brand`, `source_partition`, `source_offset`, `context`
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY pt) AS copy FROM events)
WHERE copy = 1;

-- brought
SELECT `event_id`,
       `subject`,
       `event_type`,
       `event_time`,
       `source_offset`,
       `item_id`,
       `category`,
       `source_partition`,
       CAST(`category` AS STRING) AS `key_category`,
       CAST(`item_id` AS STRING) AS `key_item_id`,
       CAST(`subject` AS STRING) AS `key_subject`,
       CASE WHEN `event_id` IS NOT NULL THEN 1e0 END AS `category_events_ewma_1h`,
       CASE WHEN `value` IS NOT NULL AND (event_type = 'purchase') THEN CAST(`value` AS DOUBLE) END AS `category_spend_sum_24h`,
       CASE WHEN `event_id` IS NOT NULL THEN CASE WHEN (event_type = 'purchase') THEN 1e0 ELSE 0e0 END END AS `category_purchase_rate_24h`,
       CASE WHEN `event_id` IS NOT NULL AND (event_type IN ('view', 'click')) THEN CASE WHEN (event_type = 'click') THEN 1e0 ELSE 0e0 END END AS `item_click_rate_24h`,
       CASE WHEN `subject` IS NOT NULL THEN CAST(`subject` AS STRING) END AS `item_users_distinct_24h`,
       CASE WHEN `event_id` IS NOT NULL AND (event_type = 'purchase') THEN 1e0 END AS `item_since_purchase`,
       CASE WHEN `item_id` IS NOT NULL THEN CAST(`item_id` AS STRING) END AS `user_items_last_20`,
       CASE WHEN `moment` IS NOT NULL THEN CAST(`moment` AS STRING) END AS `user_item_times_last_20`,
       CASE WHEN `item_id` IS NOT NULL AND (event_type = 'purchase') THEN CAST(`item_id` AS STRING) END AS `user_purchases_last_50`,
       CASE WHEN `moment` IS NOT NULL AND (event_type = 'purchase') THEN CAST(`moment` AS STRING) END AS `user_purchase_times_last_50`,
       CASE WHEN `step` IS NOT NULL AND (event_type IN ('add_to_cart', 'remove_from_cart', 'purchase')) THEN CAST(`step` AS STRING) END AS `user_cart_events_last_50`,
       CASE WHEN `category` IS NOT NULL THEN CAST(`category` AS STRING) END AS `user_categories_last_50`,
       CASE WHEN `event_id` IS NOT NULL AND (event_type IN ('view', 'click', 'category_view', 'search', 'play')) THEN 1e0 END AS `user_session_depth`,
       CASE WHEN `event_time` IS NOT NULL THEN 1e0 END AS `user_session_duration`,
       CASE WHEN `event_id` IS NOT NULL AND (event_type = 'click') THEN 1e0 END AS `user_clicks_count_1h`,
       CASE WHEN `event_id` IS NOT NULL AND (event_type IN ('view', 'add_to_cart')) THEN CASE WHEN (event_type = 'add_to_cart') THEN 1e0 ELSE 0e0 END END AS `user_cart_rate_24h`
FROM (SELECT *, CASE WHEN item_id IS NOT NULL THEN CAST(event_time AS STRING) END AS `moment`, event_type || ' ' || item_id AS `step` FROM unique_events);
