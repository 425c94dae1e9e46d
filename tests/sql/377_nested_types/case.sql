SELECT m['a'] AS x, a[2] AS y, CARDINALITY(a) AS z, MAP_KEYS(m) AS k, ARRAY_CONTAINS(a, 3) AS c FROM (SELECT MAP['a', 1, 'b', 2] AS m, ARRAY[1, 3] AS a);
