SELECT r.a, r.b, r FROM (SELECT ROW(1, 'x') AS r0, CAST(ROW(1, 'x') AS ROW<a INT, b STRING>) AS r) ;
