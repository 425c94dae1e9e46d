//! What is refused, and with which words.

use weir_parser::{parse_expr, parse_script, parse_statement};

fn message(sql: &str) -> String {
    match parse_statement(sql) {
        Ok(parsed) => panic!("`{sql}` parsed as {:?}", parsed.stmt),
        Err(error) => error.to_string(),
    }
}

fn assert_says(sql: &str, words: &[&str]) {
    let message = message(sql);
    for word in words {
        assert!(message.contains(word), "`{sql}` says\n{message}\nwithout `{word}`");
    }
}

#[test]
fn misspelt_words_are_suggested() {
    assert_says("SELEC 1", &["parse error", "unexpected `SELEC`", "did you mean SELECT?"]);
    assert_says("SELECT a FORM t WHERE b", &["`FORM` before it looks like a misspelt FROM"]);
    assert_says("SELECT a FROM t WEHRE b = 1", &["misspelt WHERE"]);
    assert_says("SELECT a FROM t GRUOP BY b", &["misspelt GROUP"]);
    assert_says("CREATE TABEL t (a INT)", &["did you mean TABLE?"]);
    assert_says("INSERT INT t SELECT 1", &["did you mean INTO?"]);
    assert_says("CRAETE TABLE t (a INT)", &["did you mean CREATE?"]);
}

#[test]
fn reserved_words_want_backticks() {
    assert_says(
        "SELECT a - b AS minus FROM t",
        &["unexpected reserved word `minus`", "quote it: `minus`"],
    );
    assert_says("SELECT x AS dateTime FROM t", &["reserved", "quote it: `dateTime`"]);
    assert_says("SELECT 1 AS next", &["reserved"]);
    assert_says("SELECT 1 AS none", &["reserved"]);
    assert_says("SELECT 1 AS ln", &["reserved"]);
    assert_says("CREATE TABLE t (timestamp STRING)", &["reserved", "quote it: `timestamp`"]);
    assert_says("SELECT user.a.value FROM t", &["reserved"]);
}

#[test]
fn elided_text_is_recognised() {
    assert_says("CREATE TABLE t (\n  ...\n) WITH ('a' = 'b')", &["column list elided"]);
    assert_says("SELECT ... FROM t", &["elided"]);
    assert_says("CREATE TABLE t (a INT) WITH ('a' = 'b', ...)", &["elided"]);
}

#[test]
fn other_dialects_are_named() {
    assert_says("CREATE TABLE t (a INT) AGGREGATE KEY(a)", &["this is a Doris statement"]);
    assert_says("CREATE TABLE t (a BIGINT PRIMARY KEY AUTO_INCREMENT)", &["MySQL"]);
}

#[test]
fn frames_outside_over_offer_two_rewrites() {
    assert_says(
        "SELECT COUNT(*) FROM t WHERE ts BETWEEN INTERVAL '1' DAY PRECEDING AND CURRENT ROW",
        &["only inside OVER", "either filter by time", "OVER (PARTITION BY"],
    );
}

#[test]
fn strings_and_characters() {
    assert_says("SELECT 'abc", &["never closed"]);
    assert_says("SELECT `abc", &["never closed"]);
    assert_says("SELECT 1 /* abc", &["never closed"]);
    assert_says("SELECT ``", &["cannot be empty"]);
    assert_says("SELECT \"abc\"", &["double quotes", "'abc'", "`abc`"]);
    assert_says("SELECT a，b FROM t", &["character `，`", "ASCII character ,"]);
    assert_says("SELECT U&'\\00zz'", &["no unicode escape"]);
    assert_says("SELECT x'abc'", &["pairs of hexadecimal digits"]);
    assert_says("CREATE TABLE t WITH (connector = 'x')", &["option keys are strings"]);
    assert_says("CREATE TABLE t WITH ('a' = 5)", &["option values are strings", "'5'"]);
    assert_says("CREATE TABLE t WITH (${SINK})", &["placeholder"]);
}

#[test]
fn what_flink_refuses_is_refused() {
    for sql in [
        "",
        "SELECT",
        "SELECT 1 WHERE TRUE",
        "SELECT * FROM TABLE(TUMBLE(TABLE (SELECT * FROM t), DESCRIPTOR(ts), INTERVAL '1' DAY))",
        "SELECT a, FROM t",
        "SELECT a FROM t GROUP a",
        "SELECT (1",
        "SELECT 1)",
        "SELECT 1 2",
        "SELECT CASE END",
        "SELECT CASE WHEN a THEN b",
        "SELECT CAST(a INT)",
        "SELECT a IS 3",
        "SELECT a NOT b",
        "SELECT a BETWEEN 1",
        "SELECT MAP['a']",
        "SELECT f(a",
        "SELECT x -> x + 1",
        "SELECT * FROM a JOIN",
        "SELECT * FROM a NATURAL b",
        "SELECT * FROM t ORDER a",
        "SELECT INTERVAL '1' PARSEC",
        "SELECT JSON_VALUE(a, 'b' NULL ON EMPTY NULL ON EMPTY)",
        "CREATE TABLE",
        "CREATE TABLE t (a)(b)",
        "CREATE TABLE t (a INT,)",
        "CREATE TABLE t (WATERMARK FOR a AS a, WATERMARK FOR b AS b)",
        "CREATE OR REPLACE DATABASE d",
        "CREATE SYSTEM TABLE t (a INT)",
        "CREATE TEMPORARY CATALOG c WITH ('a' = 'b')",
        "CREATE OR ALTER TABLE t (a INT)",
        "ALTER TABLE t",
        "ALTER TABLE t ADD IF NOT EXISTS a INT",
        "DROP t",
        "INSERT t SELECT 1",
        "EXECUTE STATEMENT SET BEGIN END",
        "EXECUTE STATEMENT SET BEGIN SELECT 1; END",
        "SHOW COLUMNS",
        "SHOW TABLES NOT",
        "SHOW NOTHING",
        "USE",
        "SET a =",
        "SET = b",
        "MERGE INTO t USING s ON TRUE",
        "STOP JOB 12",
        "SELECT 1; SELECT 2",
        "SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A)",
        "SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A{4294967296}) DEFINE A AS TRUE)",
    ] {
        assert!(parse_statement(sql).is_err(), "`{sql}` parsed");
    }
}

#[test]
fn one_pass_finds_the_errors_of_all_statements() {
    let source = "SELEC 1;\nSELECT 2;;\nSELECT a FROM;\nEXECUTE STATEMENT SET BEGIN\n\
                  INSERT INTO a SELEC 1;\nINSERT INTO b SELECT CASE WHEN a THEN 1 END FROM x;\nEND;\n\
                  SELECT 3";
    let script = parse_script(source);
    assert_eq!(script.errors.len(), 3, "{:#?}", script.errors);
    let texts: Vec<_> = script.statements.iter().map(|s| s.text.as_str()).collect();
    assert_eq!(texts, ["SELECT 2", "SELECT 3"]);
    let rendered = script.errors[1].render(source);
    assert!(rendered.starts_with("line 3, column 14:"), "{rendered}");
}

#[test]
fn an_open_set_does_not_swallow_the_rest() {
    let script = parse_script("BEGIN STATEMENT SET; SELEC 1; SELECT 2; SELECT 3;");
    assert_eq!(script.statements.len(), 2);
    assert_eq!(script.errors.len(), 2);
}

#[test]
fn a_set_may_come_line_by_line() {
    assert!(parse_statement("BEGIN STATEMENT SET;").is_ok());
    assert!(parse_statement("END;").is_ok());
}

#[test]
fn depth_is_limited_not_fatal() {
    let cases = [
        format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("SELECT {}1", "(".repeat(100_000)),
        format!("SELECT {}1", "-(".repeat(50_000)),
        format!("SELECT {}1", "NOT ".repeat(100_000)),
        format!("SELECT {}1", "- ".repeat(100_000)),
        format!("SELECT 1{}", " + 1".repeat(100_000)),
        format!("SELECT a{}", "[1]".repeat(100_000)),
        format!("SELECT f(1){}", ".a".repeat(100_000)),
        format!("SELECT {}1{}", "f(".repeat(100_000), ")".repeat(100_000)),
        format!("SELECT {}1", "CASE WHEN ".repeat(100_000)),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(100_000)),
        format!("{}SELECT 1", "SELECT * FROM (".repeat(100_000)),
        format!("SELECT * FROM {}t", "(".repeat(100_000)),
        format!("SELECT CAST(a AS {}INT", "ARRAY<".repeat(100_000)),
        format!("SELECT CAST(a AS INT{})", " ARRAY".repeat(100_000)),
        format!("{}SELECT 1", "WITH a AS (".repeat(100_000)),
        format!("SELECT * FROM t GROUP BY {}a", "CUBE (".repeat(100_000)),
        format!("SELECT * FROM t MATCH_RECOGNIZE (PATTERN ({}A", "(".repeat(100_000)),
        format!("{}SELECT 1", "EXECUTE ".repeat(100_000)),
        format!("{}SELECT 1", "EXPLAIN ".repeat(100_000)),
    ];
    for sql in &cases {
        assert!(parse_statement(sql).is_err(), "{}", &sql[..40]);
    }
    assert!(message(&cases[0]).contains("nests too deeply"));
    assert!(message(&cases[5]).contains("nests too deeply"));
}

#[test]
fn reasonable_depth_passes() {
    assert!(parse_expr(&format!("{}1{}", "(".repeat(60), ")".repeat(60))).is_ok());
    assert!(parse_expr(&format!("1{}", " OR a = 1".repeat(450))).is_ok());
    assert!(parse_expr(&format!("{}1{}", "f(".repeat(50), ")".repeat(50))).is_ok());
    let (open, close) = ("SELECT * FROM (".repeat(25), ")".repeat(25));
    assert!(parse_statement(&format!("{open}SELECT 1{close}")).is_ok());
    let list = "1, ".repeat(50_000);
    assert!(parse_expr(&format!("a IN ({list}1)")).is_ok());
    let rows = "(1, 'a'), ".repeat(20_000);
    assert!(parse_statement(&format!("INSERT INTO t VALUES {rows}(1, 'b')")).is_ok());
}

#[test]
fn extensions_are_noted() {
    let notes = |sql: &str| parse_statement(sql).map_or(0, |s| s.extensions.len());
    assert_eq!(notes("SELECT a FROM t"), 0);
    assert_eq!(notes("INSERT INTO t BY NAME SELECT a FROM s"), 1);
    assert_eq!(notes("CREATE TABLE x SELECT a FROM t"), 1);
    assert_eq!(notes("CREATE TABLE x (a INT) WITH ('k' = 'v',)"), 1);
    assert_eq!(notes("SELECT v:a FROM a LEFT ANTI JOIN b ON a.x = b.x"), 2);
    assert_eq!(notes("SELECT 1 MINUS SELECT 2"), 1);
    assert_eq!(notes("SELECT a != b AT TIME ZONE 'UTC' FROM t LIMIT 1, 2"), 3);
    assert_eq!(notes("SELECT * FROM a CROSS APPLY f(a.x) OUTER APPLY g(a.x)"), 2);
}
