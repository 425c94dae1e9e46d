//! Mutations of scripts for the fuzz test and the fuzz example.

use weir_parser::lexer::tokenize;
use weir_parser::printer::print_statement;
use weir_parser::{parse_script, parse_statement};

/// The scripts that mutations start from.
pub const SCRIPTS: [&str; 4] = [
    include_str!("../sql/ddl.sql"),
    include_str!("../sql/statements.sql"),
    include_str!("../sql/queries.sql"),
    include_str!("../sql/expressions.sql"),
];

/// Pieces that mutations put in between.
const SPICE: [&str; 24] = [
    "(", ")", ",", ";", "'", "`", "/*", "*/", "/*+", "--", "[", "]", "<", ">", "...", ":", ".",
    "NOT", "END", "SELECT", "\"", "中", "1e", "\u{0}",
];

/// A small random number generator (xorshift), so that runs repeat.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, n: usize) -> usize {
        match n {
            0 => 0,
            n => (self.next() % n as u64) as usize,
        }
    }
}

/// Splits a text into its tokens as text.
pub fn pieces(source: &str) -> Vec<&str> {
    tokenize(source).list.iter().map(|t| t.span.text(source)).filter(|t| !t.is_empty()).collect()
}

/// A text made of a few tokens of a script, deleted, doubled, swapped or
/// spiced.
pub fn mutate(pieces: &[&str], random: &mut Random) -> String {
    let start = random.below(pieces.len());
    let len = 1 + random.below(120);
    let mut tokens: Vec<&str> = pieces.iter().skip(start).take(len).copied().collect();
    for _ in 0..1 + random.below(6) {
        let (i, j) = (random.below(tokens.len()), random.below(tokens.len()));
        match random.below(5) {
            _ if tokens.is_empty() => {}
            0 => {
                tokens.remove(i);
            }
            1 => tokens.insert(j, tokens[i]),
            2 => tokens.swap(i, j),
            3 => tokens.insert(i, SPICE[random.below(SPICE.len())]),
            _ => tokens[i] = pieces[random.below(pieces.len())],
        }
    }
    let blank = if random.below(4) == 0 { "" } else { " " };
    tokens.join(blank)
}

/// Parses a text; what parses must come back from its print.
pub fn check(source: &str) {
    for parsed in parse_script(source).statements {
        let printed = print_statement(&parsed.stmt);
        match parse_statement(&printed) {
            Ok(again) if again.stmt == parsed.stmt => {}
            Ok(_) => panic!("differs:\n{}\n---\n{printed}", parsed.text),
            Err(e) => panic!("no way back:\n{}\n---\n{}", parsed.text, e.render(&printed)),
        }
    }
}
