-- moments
SELECT `event_id`, `subject`, `item_id`, `event_type`, `event_time`, `value`, `session_id`, `request_id`, `department`, `category`, `product_type`, `brand`, `source_partition`, `source_offset`, `context`, `moment`, `moment_ms`
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY pt) AS copy FROM events)
WHERE copy = 1
UNION ALL
SELECT CAST(tick AS STRING) AS `event_id`, CAST(tick AS STRING) AS `subject`, CAST(tick AS STRING) AS `item_id`, CAST(tick AS STRING) AS `event_type`, CAST(tick AS BIGINT) AS `event_time`, CAST(tick AS DOUBLE) AS `value`, CAST(tick AS STRING) AS `session_id`, CAST(tick AS STRING) AS `request_id`, CAST(tick AS STRING) AS `department`, CAST(tick AS STRING) AS `category`, CAST(tick AS STRING) AS `product_type`, CAST(tick AS STRING) AS `brand`, CAST(tick AS INT) AS `source_partition`, CAST(tick AS BIGINT) AS `source_offset`, MAP['tick', CAST(tick AS STRING)] AS `context`, moment, tick AS moment_ms
FROM ticks WHERE tick < 0;

-- fired
SELECT `subject`,
       `event_id`,
       `event_type`,
       `event_time`,
       `item_id`,
       `category`,
       `since`,
       since + 1800000 AS `until`,
       'category_interest' AS `rule`,
       'boost' AS `action`,
       category AS `target`,
       CAST(2 AS DOUBLE) AS `factor`,
       CAST(NULL AS STRING) AS `intervention`
FROM (SELECT * FROM (SELECT * FROM moments WHERE `category` IS NOT NULL AND (event_type IN ('view', 'click')))
MATCH_RECOGNIZE (
  PARTITION BY subject ORDER BY moment, source_offset
  MEASURES LAST(AGAIN.event_id) AS event_id, LAST(AGAIN.event_type) AS event_type, LAST(AGAIN.event_time) AS event_time, LAST(AGAIN.item_id) AS item_id, LAST(AGAIN.category) AS category, LAST(AGAIN.moment_ms) AS since
  ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW
  PATTERN (ONCE AGAIN{2}) WITHIN INTERVAL '0 00:10:00.000' DAY TO SECOND(3)
  DEFINE AGAIN AS AGAIN.`category` = ONCE.`category`))
WHERE category IS NOT NULL
UNION ALL
SELECT `subject`,
       `event_id`,
       `event_type`,
       `event_time`,
       `item_id`,
       `category`,
       `since`,
       since + 1800000 AS `until`,
       'big_spender' AS `rule`,
       'recall' AS `action`,
       category AS `target`,
       CAST(NULL AS DOUBLE) AS `factor`,
       CAST(NULL AS STRING) AS `intervention`
FROM (SELECT * FROM (SELECT * FROM moments WHERE (event_type IN ('add_to_cart', 'purchase') AND `value` >= 50))
MATCH_RECOGNIZE (
  PARTITION BY subject ORDER BY moment, source_offset
  MEASURES LAST(HIT.event_id) AS event_id, LAST(HIT.event_type) AS event_type, LAST(HIT.event_time) AS event_time, LAST(HIT.item_id) AS item_id, LAST(HIT.category) AS category, LAST(HIT.moment_ms) AS since
  ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW
  PATTERN (HIT{3}) WITHIN INTERVAL '0 00:10:00.000' DAY TO SECOND(3)
  DEFINE HIT AS HIT.subject IS NOT NULL))
WHERE category IS NOT NULL
UNION ALL
SELECT `subject`,
       `event_id`,
       `event_type`,
       `event_time`,
       `item_id`,
       `category`,
       `since`,
       since + 86400000 AS `until`,
       'cart_abandoned' AS `rule`,
       'intervene' AS `action`,
       CAST(NULL AS STRING) AS `target`,
       CAST(NULL AS DOUBLE) AS `factor`,
       CAST('coupon' AS STRING) AS `intervention`
FROM (SELECT subject, event_id, event_type, event_time, item_id, category, moment_ms + 1200000 AS since FROM (
  SELECT *, ROW_NUMBER() OVER (
    PARTITION BY subject, window_start, window_end ORDER BY moment DESC, source_offset DESC) AS place
  FROM TABLE(SESSION(
    DATA => (SELECT * FROM moments WHERE event_type IN ('add_to_cart', 'purchase', 'remove_from_cart')) PARTITION BY subject,
    TIMECOL => DESCRIPTOR(moment), GAP => INTERVAL '0 00:20:00.000' DAY TO SECOND(3))))
WHERE place = 1 AND event_type = 'add_to_cart');
