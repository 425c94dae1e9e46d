//! EXPLAIN with costs, and plans kept in files.

use std::fs;

mod common;

use common::{err, out, run, scratch};

#[test]
fn estimated_cost_shows_rows_where_they_are_known() {
    let text = out(&run("EXPLAIN ESTIMATED_COST
        SELECT a, COUNT(*) FROM (VALUES (1), (2), (3)) AS t(a) GROUP BY a"));
    assert!(text.contains(": rowcount = 3"), "{text}");
    assert!(text.contains("GroupAggregate") && text.contains(": rowcount unknown"), "{text}");
    let plain = out(&run("EXPLAIN SELECT 1 AS a"));
    assert!(!plain.contains("rowcount"), "{plain}");
}

#[test]
fn a_compiled_plan_runs_without_its_script() {
    let dir = scratch("compiled");
    let (plan, rows) = (dir.join("plan.json"), dir.join("rows"));
    let sink = format!(
        "CREATE TABLE s (a INT, b STRING, d DECIMAL(10, 2), t TIMESTAMP(3)) WITH
         ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv');",
        rows.display()
    );
    let compile = format!(
        "{sink} COMPILE PLAN '{0}' FOR INSERT INTO s
         SELECT a, UPPER(b), 1.50, TIMESTAMP '2024-01-01 00:00:00' FROM
         (VALUES (1, 'x'), (2, 'y'), (3, 'z')) AS t(a, b) WHERE a > 1;",
        plan.display()
    );
    out(&run(&compile));
    assert!(!rows.exists(), "nothing has run yet");
    out(&run(&format!("EXECUTE PLAN '{}'", plan.display())));
    let shown = out(&run(&format!("{sink} SELECT a, b, d, t FROM s ORDER BY a LIMIT 9")));
    assert_eq!(
        shown,
        "a,b,d,t\n2,Y,1.50,2024-01-01 00:00:00.000\n3,Z,1.50,2024-01-01 00:00:00.000\n"
    );
    assert!(err(&run(&compile)).contains("Cannot overwrite the plan file"));
    let forced = format!("SET 'table.plan.force-recompile' = 'true'; {compile}");
    out(&run(&forced));
    let batch =
        format!("SET 'execution.runtime-mode' = 'batch'; EXECUTE PLAN '{}'", plan.display());
    assert!(err(&run(&batch)).contains("compiled in STREAMING mode"));
    fs::write(&plan, "{\"flinkVersion\": \"2.3\", \"nodes\": []}").expect("a file");
    let foreign = err(&run(&format!("EXECUTE PLAN '{}'", plan.display())));
    assert!(foreign.contains("no plan that this engine compiled"), "{foreign}");
}

/// Three tables with a key and a value, empty.
fn three_tables(dir: &std::path::Path) -> String {
    ["a", "b", "c"]
        .map(|name| {
            let folder = dir.join(name);
            fs::create_dir_all(&folder).expect("a folder");
            format!(
                "CREATE TABLE {name} (k INT, v INT) WITH
                 ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv');",
                folder.display()
            )
        })
        .concat()
}

/// The lines of the plan that name an operator.
fn lines<'a>(text: &'a str, operator: &str) -> Vec<&'a str> {
    let execution = text.split("== Optimized Execution Plan ==").nth(1).expect("the section");
    let named = |l: &&str| {
        let rest = l.trim_start_matches([' ', '+', '-']).strip_prefix(operator);
        rest.is_some_and(|r| r.starts_with('('))
    };
    execution.lines().filter(named).collect()
}

#[test]
fn chains_of_joins_are_one_operator_where_asked_for() {
    let tables = three_tables(&scratch("multi_join_plan"));
    let explain = |set: &str, query: &str| out(&run(&format!("{set} {tables} EXPLAIN {query};")));
    let chain = "a.k, b.v FROM a JOIN b ON a.k = b.k LEFT JOIN c ON a.k = c.k AND c.v > b.v";
    let on = "SET 'table.optimizer.multi-join.enabled' = 'true';";

    let text = explain("", &format!("SELECT {chain}"));
    assert_eq!((lines(&text, "Join").len(), lines(&text, "MultiJoin").len()), (2, 0), "{text}");
    let text = explain(on, &format!("SELECT {chain}"));
    assert_eq!((lines(&text, "MultiJoin").len(), lines(&text, "Join").len()), (1, 0), "{text}");
    assert!(lines(&text, "MultiJoin")[0].contains("joinTypes=[INNER, LEFT]"), "{text}");
    let hint = "/*+ MULTI_JOIN(a, b, c), STATE_TTL('b' = '2h') */";
    let text = explain("", &format!("SELECT {hint} {chain}"));
    let state = "state=[input0: ttl=none, input1: ttl=7200000 ms, input2: ttl=none]";
    assert!(lines(&text, "MultiJoin")[0].contains(state), "{text}");
    // Two of three: the third joins what they give.
    let text = explain("", &format!("SELECT /*+ MULTI_JOIN(a, b) */ {chain}"));
    assert_eq!(lines(&text, "MultiJoin").len(), 0, "{text}");
    // No key that all three share.
    let other = "a.k, b.v FROM a JOIN b ON a.k = b.k JOIN c ON a.v = c.v";
    let text = explain(on, &format!("SELECT {other}"));
    assert_eq!((lines(&text, "MultiJoin").len(), lines(&text, "Join").len()), (0, 2), "{text}");
    let batch = format!("{on} SET 'execution.runtime-mode' = 'batch';");
    let text = explain(&batch, &format!("SELECT {chain}"));
    assert_eq!(lines(&text, "MultiJoin").len(), 0, "{text}");
}

#[test]
fn plans_name_upsert_keys_and_state() {
    let tables = three_tables(&scratch("state_in_plan"));
    let text = out(&run(&format!(
        "SET 'table.exec.state.ttl' = '1 h'; {tables}
         EXPLAIN SELECT a.v, g.n FROM a JOIN (SELECT k, COUNT(*) AS n FROM b GROUP BY k) g ON a.k = g.k;"
    )));
    let join = lines(&text, "Join")[0];
    assert!(join.contains("state=[left: ttl=3600000 ms, right: ttl=3600000 ms]"), "{text}");
    assert!(lines(&text, "Calc").iter().any(|l| l.contains("upsertKeys=[(k)]")), "{text}");
    let aggregate = lines(&text, "GroupAggregate")[0];
    assert!(aggregate.contains("state=[groups: ttl=3600000 ms]"), "{text}");
}

#[test]
fn batch_mode_computes_only_the_groups_that_a_filtered_table_asks_for() {
    let dir = scratch("groups");
    let table = |name: &str| {
        let place = dir.join(name).display().to_string();
        format!(
            "CREATE TABLE {name} (k INT, s STRING, v INT) WITH
             ('connector' = 'filesystem', 'path' = '{place}', 'format' = 'parquet');"
        )
    };
    let tables = format!("SET 'execution.runtime-mode' = 'batch'; {}{}", table("t"), table("x"));
    let rows = |of: fn(i32) -> i32| {
        let row = |i| format!("({}, '{}', {i})", of(i), ["a", "b"][i as usize % 2]);
        (0..40).map(row).collect::<Vec<_>>().join(", ")
    };
    let (t, x) = (rows(|i| i), rows(|i| i % 10));
    out(&run(&format!("{tables} INSERT INTO t VALUES {t}; INSERT INTO x VALUES {x};")));
    let query = |filter: &str| {
        format!(
            "SELECT t.k, n FROM t LEFT JOIN (SELECT k, COUNT(*) AS n FROM x GROUP BY k) g
             ON t.k = g.k WHERE {filter} ORDER BY t.k"
        )
    };
    let few = query("t.v = 4 AND t.s = 'a'");
    let plan = out(&run(&format!("{tables} EXPLAIN {few}")));
    assert!(plan.contains("joinType=[Semi]"), "{plan}");
    assert_eq!(out(&run(&format!("{tables} {few}"))), "k,n\n4,4\n");
    let many = out(&run(&format!("{tables} EXPLAIN {}", query("t.v > 1"))));
    assert!(!many.contains("joinType=[Semi]"), "{many}");
    let none = query("t.v = 20 AND t.s = 'a'");
    assert_eq!(out(&run(&format!("{tables} {none}"))), "k,n\n20,\n");
}
