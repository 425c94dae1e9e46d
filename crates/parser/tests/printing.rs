//! How trees are printed.

use weir_parser::printer::{
    PrintOptions, print_data_type_with, print_expr_with, print_statement_with,
};
use weir_parser::{parse_data_type, parse_expr, parse_statement, print_expr, print_statement};

fn expr(sql: &str) -> String {
    print_expr(&parse_expr(sql).unwrap_or_else(|e| panic!("{sql}: {e}")))
}

fn serializable(sql: &str) -> String {
    let expr = parse_expr(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    print_expr_with(&expr, PrintOptions::SERIALIZABLE)
}

#[test]
fn expressions_are_canonical() {
    for (sql, canonical) in [
        ("((a))+((b*c))", "a + b * c"),
        ("(a+b)*c", "(a + b) * c"),
        ("a-(b-c)", "a - (b - c)"),
        ("(a-b)-c", "a - b - c"),
        ("a != b", "a <> b"),
        ("not (a and b)", "NOT (a AND b)"),
        ("a and (b or c)", "a AND (b OR c)"),
        ("- -1", "-(-1)"),
        ("cast(a as integer)", "CAST(a AS INT)"),
        ("`a` || `select` || `x y`", "a || `select` || `x y`"),
        ("substring(a, 2, 3)", "SUBSTRING(a FROM 2 FOR 3)"),
        ("interval '5' seconds", "INTERVAL '5' SECOND"),
        ("x'0a'", "X'0A'"),
        ("U&'\\00e9'", "'é'"),
        ("'a' 'b'", "'ab'"),
        ("current_date", "CURRENT_DATE"),
        ("a:b[0].c", "a:b[0]:c"),
        ("ceil(a to hours)", "CEIL(a TO HOUR)"),
    ] {
        assert_eq!(expr(sql), canonical, "{sql}");
    }
}

#[test]
fn serializable_expressions_quote_identifiers() {
    assert_eq!(serializable("ts - INTERVAL '5' SECOND"), "`ts` - INTERVAL '5' SECOND");
    assert_eq!(serializable("price * 2"), "`price` * 2");
    assert_eq!(serializable("PROCTIME()"), "PROCTIME()");
    assert_eq!(serializable("t.a + f(b)"), "`t`.`a` + f(`b`)");
    assert_eq!(serializable("v:a[0]:b['k'][i]"), "`v`['a'][1]['b']['k'][`i` + 1]");
}

#[test]
fn types_in_both_styles() {
    let row = parse_data_type("ROW(x INT, y VARCHAR(3) NOT NULL ARRAY)").expect("a type");
    assert_eq!(row.to_string(), "ROW<x INT, y ARRAY<VARCHAR(3) NOT NULL>>");
    assert_eq!(
        print_data_type_with(&row, PrintOptions::SERIALIZABLE),
        "ROW<`x` INT, `y` ARRAY<VARCHAR(3) NOT NULL>>"
    );
}

#[test]
fn create_table_has_the_layout_of_show_create() {
    let sql = "CREATE TABLE `default_catalog`.`default_database`.`t1` (a INT NOT NULL, \
               b VARCHAR(2147483647) COMMENT 'bee', c AS a + 1, ts TIMESTAMP(3), \
               WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, \
               CONSTRAINT PK_a PRIMARY KEY (a) NOT ENFORCED) COMMENT 'tbl' \
               WITH ('connector' = 'datagen')";
    let parsed = parse_statement(sql).expect("a statement");
    let options = PrintOptions { quote_all: true, ..PrintOptions::default() };
    assert_eq!(
        print_statement_with(&parsed.stmt, options),
        "CREATE TABLE `default_catalog`.`default_database`.`t1` (
  `a` INT NOT NULL,
  `b` VARCHAR(2147483647) COMMENT 'bee',
  `c` AS `a` + 1,
  `ts` TIMESTAMP(3),
  WATERMARK FOR `ts` AS `ts` - INTERVAL '5' SECOND,
  CONSTRAINT `PK_a` PRIMARY KEY (`a`) NOT ENFORCED
)
COMMENT 'tbl'
WITH (
  'connector' = 'datagen'
)"
    );
}

#[test]
fn create_view_has_the_layout_of_show_create() {
    let sql = "CREATE VIEW c.d.v1 (a, b) AS SELECT t1.a, t1.b FROM c.d.t1 AS t1 WHERE t1.a > 1";
    let parsed = parse_statement(sql).expect("a statement");
    let options = PrintOptions { quote_all: true, ..PrintOptions::default() };
    assert_eq!(
        print_statement_with(&parsed.stmt, options),
        "CREATE VIEW `c`.`d`.`v1` (
  `a`,
  `b`
)
AS SELECT `t1`.`a`, `t1`.`b`
FROM `c`.`d`.`t1` AS `t1`
WHERE `t1`.`a` > 1"
    );
}

#[test]
fn extensions_become_strict_where_syntax_suffices() {
    let parsed = parse_statement("CREATE TABLE x WITH ('a' = 'b',) SELECT a FROM t").expect("ok");
    assert_eq!(
        print_statement(&parsed.stmt),
        "CREATE TABLE x\nWITH (\n  'a' = 'b'\n)\nAS SELECT a\nFROM t"
    );
}

#[test]
fn a_doris_table_is_printed_as_the_flink_table_that_stands_for_it() {
    let sql = "CREATE TABLE dws (d DATE, n BIGINT) ENGINE=OLAP UNIQUE KEY(d)
        PARTITION BY RANGE(d) (PARTITION p1 VALUES [(\"2025-01-01\"), (\"2025-02-01\")))
        DISTRIBUTED BY HASH(d) BUCKETS 10 PROPERTIES (\"replication_num\" = \"3\")";
    let parsed = parse_statement(sql).expect("a Doris table");
    assert_eq!(parsed.extensions.len(), 1);
    let printed = print_statement(&parsed.stmt);
    assert_eq!(
        printed,
        "CREATE TABLE dws (\n  d DATE,\n  n BIGINT,\n  PRIMARY KEY (d) NOT ENFORCED\n)\nDISTRIBUTED BY HASH(d) INTO 10 BUCKETS\nPARTITIONED BY (d)\nWITH (\n  'connector' = 'doris',\n  'table.identifier' = 'dws',\n  'table.create.properties.replication_num' = '3'\n)"
    );
    assert_eq!(parse_statement(&printed).expect("Flink").stmt, parsed.stmt);
}

#[test]
fn a_template_variable_is_a_name() {
    let parsed = parse_statement("INSERT INTO {sink} SELECT a FROM {source} s").expect("names");
    assert_eq!(print_statement(&parsed.stmt), "INSERT INTO {sink}\nSELECT a\nFROM {source} AS s");
}

#[test]
fn spans_point_into_the_text() {
    let sql = "SELECT a, `b c`.d + 10 AS x FROM t";
    let parsed = parse_statement(sql).expect("a statement");
    let weir_parser::ast::StatementKind::Query(query) = parsed.stmt.kind else { panic!("a query") };
    let weir_parser::ast::SetExpr::Select(select) = query.body else { panic!("a select") };
    let weir_parser::ast::SelectItem::Expr { expr, alias, span } = &select.projection[1] else {
        panic!("an expression")
    };
    assert_eq!(expr.span.text(sql), "`b c`.d + 10");
    assert_eq!(span.text(sql), "`b c`.d + 10 AS x");
    assert_eq!(alias.as_ref().map(|a| a.span.text(sql)), Some("x"));
    assert_eq!(select.span.text(sql), sql);
    assert_eq!(select.from[0].relation.span.text(sql), "t");
}
