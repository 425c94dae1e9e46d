CREATE TABLE orders (order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
SELECT FIRST_VALUE(c) AS f, LAST_VALUE(c) AS l FROM (SELECT customer, COUNT(*) AS c FROM orders GROUP BY customer);
SELECT LISTAGG(customer) AS l, ARRAY_AGG(c) AS a FROM (SELECT customer, COUNT(*) AS c FROM orders GROUP BY customer);
SELECT c, COUNT(*) AS n, FIRST_VALUE(customer) AS f, LAST_VALUE(customer) AS l FROM (SELECT customer, COUNT(*) AS c FROM orders GROUP BY customer) GROUP BY c;
