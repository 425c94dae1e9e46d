//! A chain of runs made one: of every entry the newest stays.

use std::io::{Read, Write};

use weir_core::Result;

use super::{RunReader, RunWriter};

/// What [`merge_runs`] may leave out.
#[derive(Debug, Clone, Copy, Default)]
pub struct MergeRules {
    /// The oldest run is full: there is nothing below it that deletes must hide.
    pub full: bool,
    /// Entries written last at or before this time (milliseconds) have expired.
    pub expired: Option<i64>,
}

/// Merges runs of one key group, oldest first, into one: of every entry the newest
/// stays. Memory is bounded by one entry per run. Returns the number of keys.
pub fn merge_runs<'a, W: Write>(
    runs: impl IntoIterator<Item = Box<dyn Read + Send + 'a>>,
    rules: MergeRules,
    out: W,
) -> Result<(W, u64)> {
    let mut out = RunWriter::new(out);
    let mut open = Vec::new();
    for run in runs {
        let mut reader = RunReader::new(run)?;
        if reader.next_key()? {
            open.push(reader);
        }
    }
    while !open.is_empty() {
        merge_key(&mut open, rules, &mut out)?;
    }
    out.finish()
}

/// Merges the entries of the smallest key and moves the runs that have it on.
fn merge_key<R: Read, W: Write>(
    open: &mut Vec<RunReader<R>>,
    rules: MergeRules,
    out: &mut RunWriter<W>,
) -> Result<()> {
    let mut first = 0;
    for i in 1..open.len() {
        if open[i].order(&open[first]).is_lt() {
            first = i;
        }
    }
    let have: Vec<usize> =
        (0..open.len()).filter(|&i| open[i].order(&open[first]).is_eq()).collect();
    // Newest first; what is older than a clearing run does not count.
    let mut take: Vec<usize> = Vec::new();
    let mut cleared = false;
    for &i in have.iter().rev() {
        take.push(i);
        if open[i].cleared {
            cleared = true;
            break;
        }
    }
    let mut opened = false;
    let open_key = |out: &mut RunWriter<W>, key: &[u8]| out.key(key, cleared);
    if !rules.full {
        open_key(out, &open[first].key)?;
        opened = true;
    }
    let mut at: Vec<bool> = Vec::with_capacity(take.len());
    for &i in &take {
        at.push(open[i].advance()?);
    }
    loop {
        let live = (0..take.len()).filter(|&p| at[p]);
        let Some(p) = live.min_by(|&a, &b| open[take[a]].sub.cmp(&open[take[b]].sub)) else {
            break;
        };
        // `min_by` gives the first of equals: the newest.
        let reader = &open[take[p]];
        let mut entry = reader.entry();
        if entry.value.is_some() && rules.expired.is_some_and(|t| entry.stamp <= t) {
            entry.value = None;
        }
        if entry.value.is_some() || !(rules.full || cleared) {
            if !opened {
                open_key(out, &reader.key)?;
                opened = true;
            }
            out.entry(&entry)?;
        }
        let sub = reader.sub.clone();
        for q in 0..take.len() {
            if at[q] && open[take[q]].sub == sub {
                at[q] = open[take[q]].advance()?;
            }
        }
    }
    for &i in have.iter().rev() {
        if !open[i].next_key()? {
            open.remove(i);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use weir_core::Error;

    use super::super::{Entry, NO_STAMP, key_order};
    use super::*;

    type Content = Vec<(&'static str, bool, Vec<(&'static str, Option<&'static str>)>)>;

    fn run(mut content: Content) -> Vec<u8> {
        content.sort_by(|a, b| key_order(a.0.as_bytes(), b.0.as_bytes()));
        let mut w = RunWriter::new(Vec::new());
        for (key, cleared, entries) in content {
            w.key(key.as_bytes(), cleared).unwrap();
            for (sub, value) in entries {
                let (sub, value) = (sub.as_bytes(), value.map(str::as_bytes));
                w.entry(&Entry { sub, stamp: NO_STAMP, value }).unwrap();
            }
        }
        w.finish().unwrap().0
    }

    fn merged(runs: &[Vec<u8>], full: bool) -> Vec<u8> {
        let rules = MergeRules { full, expired: None };
        let runs = runs.iter().map(|r| Box::new(&r[..]) as Box<dyn Read + Send>);
        merge_runs(runs, rules, Vec::new()).unwrap().0
    }

    #[test]
    fn the_newest_entry_wins_and_a_full_base_needs_no_deletes() {
        let base = run(vec![
            ("a", true, vec![("", Some("1"))]),
            ("b", true, vec![("", Some("2"))]),
            ("list", true, vec![("1", Some("x")), ("2", Some("y")), ("3", Some("z"))]),
        ]);
        let delta = run(vec![
            ("a", true, vec![]),
            ("c", true, vec![("", Some("3"))]),
            ("list", false, vec![("2", None), ("4", Some("w"))]),
        ]);
        let expected = run(vec![
            ("b", true, vec![("", Some("2"))]),
            ("c", true, vec![("", Some("3"))]),
            ("list", true, vec![("1", Some("x")), ("3", Some("z")), ("4", Some("w"))]),
        ]);
        assert_eq!(merged(&[base.clone(), delta.clone()], true), expected);
        // Two deltas keep what hides older entries, and say the same on top of a base.
        let later =
            run(vec![("b", true, vec![]), ("list", false, vec![("3", None), ("2", Some("v"))])]);
        let deltas = merged(&[delta, later], false);
        let expected = run(vec![
            ("c", true, vec![("", Some("3"))]),
            ("list", true, vec![("1", Some("x")), ("2", Some("v")), ("4", Some("w"))]),
        ]);
        assert_eq!(merged(&[base, deltas], true), expected);
    }

    #[test]
    fn cut_runs_and_other_versions_are_errors() {
        let whole = run(vec![("a", true, vec![("", Some("1"))]), ("b", true, vec![])]);
        for n in 0..whole.len() {
            let mut reader = match RunReader::new(&whole[..n]) {
                Ok(r) => r,
                Err(_) => continue,
            };
            let read = (|| {
                while reader.next_key()? {}
                Ok::<_, Error>(())
            })();
            assert!(read.is_err(), "{n} bytes of {} are a run", whole.len());
        }
        assert!(RunReader::new(&[1u8, 0, 0][..]).is_err());
    }

    #[test]
    fn expired_entries_vanish() {
        let mut w = RunWriter::new(Vec::new());
        w.key(b"k", true).unwrap();
        w.entry(&Entry { sub: b"", stamp: 5, value: Some(b"v") }).unwrap();
        let bytes = w.finish().unwrap().0;
        for (at, keys) in [(4, 1), (5, 0)] {
            let rules = MergeRules { full: true, expired: Some(at) };
            let one = [Box::new(&bytes[..]) as Box<dyn Read + Send>];
            assert_eq!(merge_runs(one, rules, Vec::new()).unwrap().1, keys);
        }
    }
}
