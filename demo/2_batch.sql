-- The daily half: clean, join with dimensions, aggregate, report.
-- The filters on "yesterday" are the corrected forms of the original document's
-- UNIX_TIMESTAMP(DATE_SUB(CURRENT_DATE, 1)).
SET 'execution.runtime-mode' = 'BATCH';

CREATE CATALOG paimon_catalog WITH (
    'type' = 'paimon',
    'warehouse' = '${WAREHOUSE}'
);

USE CATALOG paimon_catalog;

CREATE TABLE dim_city_area (
    city_name STRING, city_code STRING, area_name STRING, area_code STRING,
    route_code STRING, route_name STRING,
    PRIMARY KEY (city_name, area_name) NOT ENFORCED
) WITH ('bucket' = '1');

INSERT INTO dim_city_area VALUES
    ('上海', 'SH', '浦东', 'SH-PD', 'R-01', '世纪大道环线'),
    ('上海', 'SH', '嘉定', 'SH-JD', 'R-02', '汽车城专线'),
    ('北京', 'BJ', '亦庄', 'BJ-YZ', 'R-03', '亦庄接驳线');

CREATE TABLE dim_car (
    car_id STRING, car_type STRING, car_model STRING,
    PRIMARY KEY (car_id) NOT ENFORCED
) WITH ('bucket' = '1');

INSERT INTO dim_car
SELECT DISTINCT car_id,
       CASE WHEN car_id LIKE '%0' THEN 'bus' ELSE 'taxi' END,
       CONCAT('L4-', RIGHT(car_id, 1))
FROM ods_heartbeat;

CREATE TABLE dwd_heartbeat_clean (
    car_id STRING,
    ts_second BIGINT,
    driving_mode STRING,
    speed DOUBLE,
    road_type STRING,
    task_id STRING,
    task_status STRING,
    city_code STRING,
    city_name STRING,
    area_code STRING,
    area_name STRING,
    route_code STRING,
    route_name STRING,
    car_type STRING,
    car_model STRING,
    PRIMARY KEY (car_id, ts_second) NOT ENFORCED
) WITH ('bucket' = '4');

INSERT INTO dwd_heartbeat_clean
SELECT
    h.car_id,
    h.ts_second,
    h.driving_mode,
    h.speed,
    h.road_type,
    h.task_id,
    h.task_status,
    d.city_code,
    d.city_name,
    d.area_code,
    d.area_name,
    d.route_code,
    d.route_name,
    c.car_type,
    c.car_model
FROM ods_heartbeat h
LEFT JOIN dim_city_area d
    ON h.city = d.city_name AND h.area = d.area_name
LEFT JOIN dim_car c
    ON h.car_id = c.car_id
WHERE h.ts_second >= UNIX_TIMESTAMP(CAST(CURRENT_DATE - INTERVAL '1' DAY AS STRING), 'yyyy-MM-dd')
  AND h.ts_second < UNIX_TIMESTAMP(CAST(CURRENT_DATE AS STRING), 'yyyy-MM-dd');

CREATE TABLE dws_daily_auto_rate (
    date_key DATE,
    city_code STRING,
    area_code STRING,
    route_code STRING,
    car_id STRING,
    total_duration_seconds BIGINT,
    auto_duration_seconds BIGINT,
    auto_rate DOUBLE,
    total_miles DOUBLE,
    auto_miles DOUBLE,
    PRIMARY KEY (date_key, city_code, area_code, route_code, car_id) NOT ENFORCED
) WITH ('bucket' = '2');

INSERT INTO dws_daily_auto_rate
SELECT
    CAST(TO_TIMESTAMP(FROM_UNIXTIME(ts_second)) AS DATE) AS date_key,
    city_code,
    area_code,
    route_code,
    car_id,
    COUNT(*) AS total_duration_seconds,
    SUM(CASE WHEN driving_mode = 'Auto' THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END) AS auto_duration_seconds,
    SUM(CASE WHEN driving_mode = 'Auto' THEN 1 ELSE 0 END) * 1.0E0 / COUNT(*) AS auto_rate,
    SUM(speed / 3600) AS total_miles,
    SUM(CASE WHEN driving_mode = 'Auto' THEN speed / 3600 ELSE 0.0E0 END) AS auto_miles
FROM dwd_heartbeat_clean
WHERE city_code IS NOT NULL
GROUP BY CAST(TO_TIMESTAMP(FROM_UNIXTIME(ts_second)) AS DATE), city_code, area_code, route_code, car_id;

CREATE TABLE dws_daily_mps_mpd (
    date_key DATE,
    city_code STRING,
    trigger_type STRING,
    case_count BIGINT,
    total_miles DOUBLE,
    mps DOUBLE,
    mpd DOUBLE,
    PRIMARY KEY (date_key, city_code, trigger_type) NOT ENFORCED
) WITH ('bucket' = '1');

-- The original computes miles from a column that its tables do not have; miles
-- come from the daily figures of the city instead.
INSERT INTO dws_daily_mps_mpd
SELECT
    t.date_key,
    t.city_code,
    t.trigger_type,
    t.case_count,
    m.miles,
    CASE WHEN m.miles > 0 THEN t.case_count * 10000 / m.miles ELSE 0.0E0 END,
    CASE WHEN m.miles > 0 AND t.trigger_type IN ('collision', 'dangerous')
         THEN t.case_count * 10000 / m.miles ELSE 0.0E0 END
FROM (
    SELECT CAST(TO_TIMESTAMP(FROM_UNIXTIME(c.start_ts)) AS DATE) AS date_key,
           h.city_code, c.trigger_type, COUNT(*) AS case_count
    FROM ods_case_mapping c
    JOIN (SELECT DISTINCT car_id, city_code FROM dwd_heartbeat_clean WHERE city_code IS NOT NULL) h
      ON c.car_id = h.car_id
    GROUP BY CAST(TO_TIMESTAMP(FROM_UNIXTIME(c.start_ts)) AS DATE), h.city_code, c.trigger_type
) t
JOIN (
    SELECT date_key, city_code, SUM(total_miles) AS miles
    FROM dws_daily_auto_rate
    GROUP BY date_key, city_code
) m ON t.date_key = m.date_key AND t.city_code = m.city_code;

-- ODS: what arrived, once per key.
SELECT COUNT(*) AS heartbeats, COUNT(DISTINCT car_id) AS cars FROM ods_heartbeat;

-- DWS: automatic-driving rate by route.
SELECT date_key, city_code, route_code, COUNT(*) AS cars,
       SUM(auto_duration_seconds) AS auto_seconds, SUM(total_duration_seconds) AS total_seconds,
       ROUND(AVG(auto_rate), 4) AS auto_rate, ROUND(SUM(total_miles), 3) AS miles
FROM dws_daily_auto_rate
GROUP BY date_key, city_code, route_code
ORDER BY date_key, city_code, route_code;

-- DWS: interventions per 10,000 miles.
SELECT date_key, city_code, trigger_type, case_count, ROUND(mps, 2) AS mps, ROUND(mpd, 2) AS mpd
FROM dws_daily_mps_mpd
ORDER BY date_key, city_code, trigger_type;

-- ADS: the overview.
SELECT r.date_key, COUNT(DISTINCT r.car_id) AS total_cars, ROUND(SUM(r.total_miles), 3) AS total_miles,
       ROUND(AVG(r.auto_rate), 4) AS auto_rate, MAX(c.total_cases) AS total_cases
FROM dws_daily_auto_rate r
LEFT JOIN (
    SELECT date_key, SUM(case_count) AS total_cases FROM dws_daily_mps_mpd GROUP BY date_key
) c ON r.date_key = c.date_key
GROUP BY r.date_key
ORDER BY r.date_key;
