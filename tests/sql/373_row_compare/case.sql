SELECT a, b FROM (VALUES (1, 'x'), (2, 'y')) AS t(a, b) WHERE (a, b) IN ((1, 'x'), (3, 'z'));
