//! Mutated scripts never make the parser panic, and what still parses comes
//! back from its print. `examples/fuzz.rs` runs the same for longer.

mod common;

use common::{Random, SCRIPTS, check, mutate, pieces};

#[test]
fn mutated_scripts_do_no_harm() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for script in SCRIPTS {
        let pieces = pieces(script);
        for _ in 0..3000 {
            check(&mutate(&pieces, &mut random));
        }
    }
}

#[test]
fn every_prefix_of_a_script_is_harmless() {
    for script in SCRIPTS {
        let ends = script.char_indices().map(|(i, _)| i).step_by(37);
        for end in ends {
            let start = script[..end].rfind(";\n").map_or(0, |i| i + 1);
            check(&script[start..end]);
        }
    }
}
