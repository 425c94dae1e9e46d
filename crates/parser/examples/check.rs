//! Parses SQL files and prints what does not parse.
//!
//! `cargo run -p weir-parser --example check -- FILE..`

use std::process::ExitCode;
use weir_parser::parse_script;

fn main() -> ExitCode {
    let mut bad = false;
    for path in std::env::args().skip(1) {
        let source = match std::fs::read_to_string(&path) {
            Ok(source) => source,
            Err(error) => {
                eprintln!("{path}: {error}");
                bad = true;
                continue;
            }
        };
        let script = parse_script(&source);
        for error in &script.errors {
            println!("{path}: {}", error.render(&source));
        }
        for statement in &script.statements {
            for extension in &statement.extensions {
                println!("{path}: beyond Flink SQL: {}", extension.message);
            }
        }
        bad |= !script.errors.is_empty();
    }
    ExitCode::from(u8::from(bad))
}
