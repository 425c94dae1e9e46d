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
