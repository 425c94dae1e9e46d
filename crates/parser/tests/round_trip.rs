//! Every statement comes back equal when it is printed and parsed again.

use std::path::{Path, PathBuf};
use weir_parser::printer::{PrintOptions, print_statement_with};
use weir_parser::{parse_script, parse_statement};

const LAYOUTS: [PrintOptions; 3] = [
    PrintOptions { quote_all: false, one_line: false, strict: false },
    PrintOptions::ONE_LINE,
    PrintOptions { quote_all: true, one_line: true, strict: false },
];

/// Prints and parses each statement of a script; returns how many there are.
fn round_trip(name: &str, source: &str) -> usize {
    let script = parse_script(source);
    for parsed in &script.statements {
        for layout in LAYOUTS {
            let printed = print_statement_with(&parsed.stmt, layout);
            let again = match parse_statement(&printed) {
                Ok(again) => again,
                Err(e) => panic!("{name}: printed\n{printed}\n{}", e.render(&printed)),
            };
            assert!(parsed.stmt == again.stmt, "{name}: from\n{}\nto\n{printed}", parsed.text);
            let twice = print_statement_with(&again.stmt, layout);
            assert_eq!(printed, twice, "{name}: printing is not stable");
        }
    }
    script.statements.len()
}

fn sql_files(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            sql_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "sql") {
            found.push(path);
        }
    }
}

#[test]
fn own_scripts_parse_and_come_back() {
    let mut files = Vec::new();
    sql_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sql"), &mut files);
    assert!(files.len() >= 4);
    for path in files {
        let source = std::fs::read_to_string(&path).expect("readable");
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("?");
        let errors: Vec<_> =
            parse_script(&source).errors.iter().map(|e| e.render(&source)).collect();
        assert!(errors.is_empty(), "{name}:\n{}", errors.join("\n"));
        assert!(round_trip(name, &source) > 20, "{name}");
    }
}

/// Runs over a corpus elsewhere when `WEIR_SQL_CORPUS` names its directory.
/// Statements that do not parse are left out; others must come back.
#[test]
fn corpus_comes_back() {
    let Ok(dir) = std::env::var("WEIR_SQL_CORPUS") else { return };
    let mut files = Vec::new();
    sql_files(Path::new(&dir), &mut files);
    let mut statements = 0;
    for path in &files {
        let source = std::fs::read_to_string(path).expect("readable");
        statements += round_trip(&path.display().to_string(), &source);
    }
    println!("{statements} statements of {} files", files.len());
}
