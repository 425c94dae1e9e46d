//! Lookup joins over tables that change while the job runs, and the hints that say how.

use std::fs;
use std::io::Write as _;
use std::path::Path;

mod common;

use common::{err, out, run, scratch};

fn probe() -> &'static str {
    "CREATE TABLE probe (id BIGINT, pt AS PROCTIME()) WITH ('connector' = 'datagen',
       'rows-per-second' = '20', 'fields.id.kind' = 'sequence',
       'fields.id.start' = '1', 'fields.id.end' = '60');"
}

fn dim(path: &Path, options: &str) -> String {
    let path = path.display();
    format!(
        "CREATE TABLE dim (k BIGINT, v STRING) WITH ('connector' = 'filesystem',
         'path' = '{path}', 'format' = 'csv'{options});"
    )
}

/// Runs a query of 60 rows in two seconds or more; a row joins the table on the way.
fn while_it_changes(name: &str, options: &str, hint: &str) -> String {
    let dir = scratch(name);
    fs::write(dir.join("a.csv"), "0,zero\n").expect("a file");
    let sql = format!(
        "{}{} SELECT {hint} p.id, d.v FROM probe p LEFT JOIN dim FOR SYSTEM_TIME AS OF p.pt AS d
         ON d.k = p.id - p.id + 7 ORDER BY p.id LIMIT 100;",
        probe(),
        dim(&dir, options)
    );
    let later = dir.clone();
    let writer = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(1000));
        let mut file = fs::File::create(later.join(".b")).expect("a file");
        file.write_all(b"7,seven\n").expect("a row");
        fs::rename(later.join(".b"), later.join("b.csv")).expect("a file");
    });
    let result = out(&run(&sql));
    writer.join().expect("the writer ends");
    result
}

#[test]
fn an_uncached_table_is_read_for_every_batch() {
    let rows = while_it_changes("none", ", 'lookup.cache' = 'NONE'", "");
    assert!(rows.contains("\n1,\n") && rows.contains("\n60,seven\n"), "{rows}");
}

#[test]
fn a_full_cache_is_read_again_after_its_interval() {
    let options = ", 'lookup.cache' = 'FULL',
        'lookup.full-cache.periodic-reload.interval' = '100 ms'";
    let rows = while_it_changes("full", options, "");
    assert!(rows.contains("\n1,\n") && rows.contains("\n60,seven\n"), "{rows}");
    // Without one it stays as it was.
    let rows = while_it_changes("once", "", "");
    assert!(rows.contains("\n1,\n") && rows.contains("\n60,\n"), "{rows}");
}

#[test]
fn a_partial_cache_keeps_what_it_did_not_find() {
    let options = ", 'lookup.cache' = 'PARTIAL', 'lookup.partial-cache.max-rows' = '10'";
    let rows = while_it_changes("missing", options, "");
    assert!(rows.contains("\n60,\n"), "{rows}");
    let options = format!("{options}, 'lookup.partial-cache.cache-missing-key' = 'false'");
    let rows = while_it_changes("found", &options, "");
    assert!(rows.contains("\n1,\n") && rows.contains("\n60,seven\n"), "{rows}");
}

#[test]
fn a_miss_is_tried_again() {
    let hint = "/*+ LOOKUP('table' = 'd', 'retry-predicate' = 'lookup_miss',
        'retry-strategy' = 'fixed_delay', 'fixed-delay' = '500 ms', 'max-attempts' = '9') */";
    let rows = while_it_changes("retry", ", 'lookup.cache' = 'NONE'", hint);
    assert!(rows.contains("\n1,seven\n") && rows.contains("\n60,seven\n"), "{rows}");
    let few = hint.replace("'9'", "'1'").replace("500 ms", "10 ms");
    let rows = while_it_changes("give-up", ", 'lookup.cache' = 'NONE'", &few);
    assert!(rows.contains("\n1,\n"), "{rows}");
}

#[test]
fn a_paimon_table_is_looked_up_by_its_key() {
    let dir = scratch("paimon");
    let catalog = format!(
        "CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = '{}');
         CREATE TABLE lake.`default`.dim (k BIGINT, v STRING, PRIMARY KEY (k) NOT ENFORCED)
         WITH ('bucket' = '2', 'lookup.cache' = 'auto');
         INSERT INTO lake.`default`.dim VALUES (1, 'one'), (2, 'two'), (3, 'three');
         INSERT INTO lake.`default`.dim VALUES (2, 'TWO');",
        dir.display()
    );
    let query = "SELECT p.id, d.v FROM probe p JOIN lake.`default`.dim";
    let rest = "FOR SYSTEM_TIME AS OF p.pt AS d ON p.id = d.k;";
    let sql = format!(
        "{} {catalog} {query} {rest} {query} /*+ OPTIONS('lookup.cache' = 'NONE') */ {rest}",
        probe()
    );
    let rows = out(&run(&sql));
    assert_eq!(rows, "id,v\n1,one\n2,TWO\n3,three\n---\nid,v\n1,one\n2,TWO\n3,three\n");
}

#[test]
fn what_cannot_act_is_refused() {
    let dir = scratch("refused");
    fs::write(dir.join("a.csv"), "0,zero\n").expect("a file");
    let query = |hint: &str, options: &str| {
        let sql = format!(
            "{}{} SELECT {hint} p.id, d.v FROM probe p JOIN dim FOR SYSTEM_TIME AS OF p.pt AS d
             ON d.k = p.id",
            probe(),
            dim(&dir, options)
        );
        let o = run(&sql);
        assert!(!o.status.success(), "{sql}");
        err(&o)
    };
    for (hint, options, says) in [
        ("/*+ LOOKUP('table' = 'x') */", "", "`x` in `LOOKUP`"),
        ("/*+ LOOKUP('table' = 'd', 'retry-predicate' = 'lookup_miss') */", "", "belong together"),
        ("/*+ LOOKUP('table' = 'd', 'tries' = '3') */", "", "'tries'"),
        ("", ", 'lookup.cache' = 'SOME'", "NONE, PARTIAL or FULL"),
        ("", ", 'lookup.cache' = 'PARTIAL'", "without a bound"),
        ("", ", 'lookup.cache' = 'FULL', 'lookup.partial-cache.max-rows' = '1'", "no effect"),
        ("", ", 'lookup.cahce' = 'FULL'", "lookup.cahce"),
    ] {
        let message = query(hint, options);
        assert!(message.contains(says), "{hint} {options}: {message}");
    }
    let sql = format!(
        "{}{} SELECT p.id FROM dim d JOIN probe FOR SYSTEM_TIME AS OF PROCTIME() AS p ON p.id = d.k",
        probe(),
        dim(&dir, "")
    );
    assert!(err(&run(&sql)).contains("cannot be looked up"));
}

#[test]
fn a_missing_element_is_null_to_functions() {
    let rows = out(&run("SELECT ARRAY[1, 2][9] IS NULL AS a, ARRAY[1, 2][9] + 1 AS b"));
    assert_eq!(rows, "a,b\nTRUE,\n");
}
