-- The real-time half: heartbeats and poses of a fleet into the lake's ODS layer.
-- ${DATA} and ${WAREHOUSE} are filled in by `cargo xtask demo`.
SET 'execution.checkpointing.interval' = '10 s';
SET 'execution.checkpointing.mode' = 'EXACTLY_ONCE';

CREATE TABLE heartbeat_source (
    car_id STRING,
    ts_second BIGINT,
    driving_mode STRING,
    speed DOUBLE,
    road_type STRING,
    task_id STRING,
    task_status STRING,
    city STRING,
    area STRING,
    route_id STRING,
    proc_time AS PROCTIME(),
    event_time AS TO_TIMESTAMP_LTZ(ts_second * 1000, 3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH (
    'connector' = 'filesystem',
    'path' = '${DATA}/heartbeat',
    'format' = 'json'
);

CREATE TABLE pose_source (
    car_id STRING,
    timestamp_ms BIGINT,
    latitude DOUBLE,
    longitude DOUBLE,
    speed DOUBLE,
    acceleration_longitudinal DOUBLE,
    acceleration_lateral DOUBLE,
    heading DOUBLE,
    angular_velocity DOUBLE,
    steering_angle DOUBLE,
    throttle DOUBLE,
    brake DOUBLE,
    event_time AS TO_TIMESTAMP_LTZ(timestamp_ms, 3),
    WATERMARK FOR event_time AS event_time - INTERVAL '1' SECOND
) WITH (
    'connector' = 'filesystem',
    'path' = '${DATA}/pose',
    'format' = 'json'
);

CREATE TABLE trigger_hard_brake_sink (
    car_id STRING,
    timestamp_ms BIGINT,
    acceleration DOUBLE,
    event_time TIMESTAMP_LTZ(3)
) WITH (
    'connector' = 'filesystem',
    'path' = '${DATA}/trigger-hard-brake',
    'format' = 'json'
);

CREATE CATALOG paimon_catalog WITH (
    'type' = 'paimon',
    'warehouse' = '${WAREHOUSE}'
);

USE CATALOG paimon_catalog;

CREATE TABLE ods_heartbeat (
    car_id STRING,
    ts_second BIGINT,
    driving_mode STRING,
    speed DOUBLE,
    road_type STRING,
    task_id STRING,
    task_status STRING,
    city STRING,
    area STRING,
    route_id STRING,
    PRIMARY KEY (car_id, ts_second) NOT ENFORCED
) WITH (
    'bucket' = '4',
    'changelog-producer' = 'input'
);

CREATE TABLE ods_pose (
    car_id STRING,
    timestamp_ms BIGINT,
    latitude DOUBLE,
    longitude DOUBLE,
    speed DOUBLE,
    acceleration_longitudinal DOUBLE,
    acceleration_lateral DOUBLE,
    heading DOUBLE,
    angular_velocity DOUBLE,
    steering_angle DOUBLE,
    throttle DOUBLE,
    brake DOUBLE,
    PRIMARY KEY (car_id, timestamp_ms) NOT ENFORCED
) WITH (
    'bucket' = '4'
);

CREATE TABLE ods_case_mapping (
    case_id STRING,
    chunk_id STRING,
    car_id STRING,
    start_ts BIGINT,
    end_ts BIGINT,
    file_path STRING,
    file_size BIGINT,
    trigger_type STRING,
    data_type STRING,
    upload_time TIMESTAMP(3),
    PRIMARY KEY (case_id, chunk_id) NOT ENFORCED
) WITH (
    'bucket' = '4'
);

-- One job: every source is read once, duplicates vanish in the lake by primary key.
EXECUTE STATEMENT SET
BEGIN
INSERT INTO ods_heartbeat
SELECT car_id, ts_second, driving_mode, speed, road_type, task_id, task_status, city, area, route_id
FROM heartbeat_source;

INSERT INTO ods_pose
SELECT car_id, timestamp_ms, latitude, longitude, speed, acceleration_longitudinal,
       acceleration_lateral, heading, angular_velocity, steering_angle, throttle, brake
FROM pose_source;

INSERT INTO ods_case_mapping
SELECT CONCAT('case-', car_id, '-', CAST(timestamp_ms AS STRING)), '0', car_id,
       timestamp_ms / 1000 - 10, timestamp_ms / 1000 + 10,
       CONCAT('/raw/microlog/', car_id, '/', CAST(timestamp_ms AS STRING), '.bag'),
       CAST(4194304 AS BIGINT),
       CASE WHEN acceleration_longitudinal < -0.8 THEN 'collision' ELSE 'hard_brake' END,
       'microlog',
       CAST(event_time AS TIMESTAMP(3))
FROM pose_source
WHERE acceleration_longitudinal < -0.5;

INSERT INTO trigger_hard_brake_sink
SELECT car_id, timestamp_ms, acceleration_longitudinal AS acceleration, event_time
FROM pose_source
WHERE acceleration_longitudinal < -0.5;
END;
