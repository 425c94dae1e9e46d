//! The automaton of a pattern of variables that follow each other without gaps.
//!
//! States and their order of creation follow Flink's CEP library (the NFA of
//! "Efficient Pattern Matching over Event Streams", Agrawal et al., SIGMOD 2008):
//! a state takes a row into its variable, or proceeds to the next state without
//! one. A greedy variable puts its negated condition on the edges of the state
//! behind it, so that a row which could extend it is never given to the next one.

use weir_spec::PatternTerm;

/// Condition of a variable that must hold, or must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Test {
    /// Position in the pattern.
    pub variable: usize,
    /// What the condition must yield.
    pub holds: bool,
}

/// A transition with its conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// State it leads to.
    pub to: usize,
    /// All must be met.
    pub when: Vec<Test>,
}

/// A state; one without edges is final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Variable that rows are taken into.
    pub variable: usize,
    /// Consumes the row.
    pub take: Option<Edge>,
    /// Passes it on to another state.
    pub proceed: Option<Edge>,
}

/// The final state.
pub const FINAL: usize = 0;

/// See the module.
#[derive(Debug)]
pub struct Automaton {
    /// The states; [`FINAL`] is the first.
    pub states: Vec<State>,
    /// Where matches begin.
    pub start: usize,
}

impl Automaton {
    /// Compiles a pattern, from its end to its beginning.
    pub fn new(pattern: &[PatternTerm]) -> Self {
        let end = State { variable: usize::MAX, take: None, proceed: None };
        let mut automaton = Self { states: vec![end], start: FINAL };
        let mut sink = FINAL;
        for (variable, term) in pattern.iter().enumerate().rev() {
            sink = automaton.term(variable, term, sink);
        }
        automaton.start = sink;
        automaton
    }

    fn term(&mut self, variable: usize, term: &PatternTerm, sink: usize) -> usize {
        let from = term.min.max(1);
        let optional = term.min == 0;
        match term.max {
            None => {
                let looping = self.state(variable, None, Some(sink));
                if term.greedy {
                    self.exclude(sink, variable);
                }
                self.states[looping].take = Some(taking(variable, looping));
                self.times(variable, (looping, sink), (from, from), optional)
            }
            Some(1) => self.state(variable, Some(sink), optional.then_some(sink)),
            Some(to) => {
                if term.greedy && from != to {
                    self.exclude(sink, variable);
                }
                self.times(variable, (sink, sink), (from, to), optional)
            }
        }
    }

    /// A chain of states, `to - from` of them optional. `sinks`: behind the last row, behind a skip.
    fn times(
        &mut self,
        variable: usize,
        sinks: (usize, usize),
        (from, to): (u32, u32),
        optional: bool,
    ) -> usize {
        let mut last = sinks.0;
        for _ in from..to {
            last = self.state(variable, Some(last), Some(sinks.1));
        }
        for _ in 1..from {
            last = self.state(variable, Some(last), None);
        }
        self.state(variable, Some(last), optional.then_some(sinks.1))
    }

    fn state(&mut self, variable: usize, take: Option<usize>, proceed: Option<usize>) -> usize {
        let take = take.map(|to| taking(variable, to));
        let proceed = proceed.map(|to| Edge { to, when: Vec::new() });
        self.states.push(State { variable, take, proceed });
        self.states.len() - 1
    }

    /// No edge of `state` may be used for a row that `variable` could take.
    fn exclude(&mut self, state: usize, variable: usize) {
        let State { take, proceed, .. } = &mut self.states[state];
        for edge in take.iter_mut().chain(proceed) {
            edge.when.push(Test { variable, holds: false });
        }
    }
}

fn taking(variable: usize, to: usize) -> Edge {
    Edge { to, when: vec![Test { variable, holds: true }] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(min: u32, max: Option<u32>, greedy: bool) -> PatternTerm {
        PatternTerm { name: String::new(), min, max, greedy, condition: None }
    }

    #[test]
    fn greedy_variables_guard_the_state_behind_them() {
        let nfa = Automaton::new(&[
            term(1, Some(1), false),
            term(0, None, true),
            term(1, Some(1), false),
        ]);
        let last = &nfa.states[1];
        let tests = [Test { variable: 2, holds: true }, Test { variable: 1, holds: false }];
        assert_eq!(last.take.as_ref().unwrap().when, tests);
        assert_eq!(nfa.states[nfa.start].variable, 0);
    }

    #[test]
    fn a_range_is_a_chain_with_optional_ends() {
        let nfa = Automaton::new(&[term(2, Some(4), false), term(1, Some(1), false)]);
        let proceeds = nfa.states.iter().filter(|s| s.proceed.is_some()).count();
        assert_eq!((nfa.states.len(), proceeds), (1 + 1 + 4, 2));
    }
}
