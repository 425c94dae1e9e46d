SELECT id, e FROM (VALUES (1, ARRAY['a', 'b']), (2, ARRAY['c'])) AS t(id, arr) CROSS JOIN UNNEST(arr) AS u(e);
