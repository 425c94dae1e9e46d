CREATE TABLE clicks (
  usr STRING, page STRING, ts TIMESTAMP(3), n INT,
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/clicks.csv', 'format' = 'csv');
SELECT L.usr AS lu, R.usr AS ruu, L.n AS lnn, R.n AS rn, L.window_start AS ws FROM (SELECT * FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)) WHERE page = 'a') L FULL JOIN (SELECT * FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)) WHERE page = 'b') R ON L.window_start = R.window_start AND L.window_end = R.window_end AND L.n <> R.n;
SELECT L.usr AS lu, R.usr AS ruu, L.n AS lnn, R.n AS rn, L.window_start AS ws FROM (SELECT * FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)) WHERE TRUE) L FULL JOIN (SELECT * FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)) WHERE TRUE) R ON L.window_start = R.window_start AND L.window_end = R.window_end AND L.n <> R.n;
SELECT L.usr, L.n FROM (SELECT * FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)) WHERE page = 'a') L WHERE L.usr IN (SELECT usr FROM (SELECT * FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)) WHERE page = 'b') R WHERE L.window_start = R.window_start AND L.window_end = R.window_end);
