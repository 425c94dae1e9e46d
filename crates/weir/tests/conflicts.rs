//! ON CONFLICT where the query's key is not the sink's primary key.

mod common;

use common::{err, out, run, scratch};

/// Rows of (g, k) counted into a table with primary key g.
fn script(dir: &std::path::Path, action: &str) -> String {
    format!(
        "CREATE CATALOG p WITH ('type' = 'paimon', 'warehouse' = '{}');
         CREATE DATABASE p.d;
         CREATE TABLE p.d.s (g STRING, k STRING, n BIGINT, PRIMARY KEY (g) NOT ENFORCED)
         WITH ('bucket' = '1');
         INSERT INTO p.d.s SELECT g, k, COUNT(*) FROM
         (VALUES ('a', 'x'), ('a', 'y'), ('b', 'x'), ('a', 'x'), ('b', 'x'), ('c', 'y'), ('c', 'x')) AS t(g, k)
         GROUP BY g, k {action};
         SET 'execution.runtime-mode' = 'batch';
         SELECT * FROM p.d.s;",
        dir.display()
    )
}

#[test]
fn the_last_row_of_a_key_stays() {
    let rows = out(&run(&script(&scratch("deduplicate"), "ON CONFLICT DO DEDUPLICATE")));
    assert_eq!(rows, "g,k,n\na,x,2\nb,x,2\nc,x,1\n", "the update of (a, x) came after (a, y)");
}

#[test]
fn the_first_row_of_a_key_stays() {
    let rows = out(&run(&script(&scratch("nothing"), "ON CONFLICT DO NOTHING")));
    assert_eq!(rows, "g,k,n\na,x,2\nb,x,2\nc,y,1\n", "an update keeps its place");
}

#[test]
fn two_rows_of_a_key_are_an_error() {
    let text = err(&run(&script(&scratch("error"), "ON CONFLICT DO ERROR")));
    assert!(text.contains("Primary key constraint violation"), "{text}");
}

#[test]
fn without_the_clause_the_keys_have_to_agree() {
    let text = err(&run(&script(&scratch("none"), "")));
    assert!(text.contains("differs from its primary key"), "{text}");
}
