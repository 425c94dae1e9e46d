//! The grammar of random queries.
//!
//! A [`Relation`] has the columns `k INT, v INT, d DECIMAL, s STRING`, so that relations
//! nest at will; a [`Query`] puts one more clause on top. Only what has one answer
//! is generated: no LIMIT without a full order, no sums of DOUBLE, no order of equal times.

use super::random::Random;

/// Something with the columns `k, v, d, s`.
#[derive(Clone, Debug)]
pub enum Relation {
    /// A table or view.
    Base(&'static str),
    /// Rows that satisfy a condition.
    Filter(Box<Relation>, String),
    /// One row per key.
    Aggregate(Box<Relation>, &'static str),
    /// A join on `k`; `on` is added to the condition.
    Join { kind: &'static str, left: Box<Relation>, right: Box<Relation>, on: Option<String> },
    /// Two joins on `k`, the second with the column `k` of `via`.
    Chain {
        /// The tables x, y and z.
        parts: Box<[Relation; 3]>,
        kinds: [&'static str; 2],
        /// Added to the two conditions.
        on: [&'static str; 2],
        via: &'static str,
    },
    /// IN, EXISTS and their negations.
    Semi { test: &'static str, left: Box<Relation>, right: Box<Relation> },
    /// A set operation.
    Set { op: &'static str, left: Box<Relation>, right: Box<Relation> },
    /// The first rows per key.
    Top { input: Box<Relation>, rows: u64, order: &'static str },
}

/// A query over a relation, or over the tables with their event time.
#[derive(Clone, Debug)]
pub enum Query {
    /// Computed columns.
    Select { input: Relation, items: Vec<String>, distinct: bool },
    /// GROUP BY.
    Group {
        /// Rows.
        input: Relation,
        /// `keys`, or GROUPING SETS and the like over them.
        keys: &'static str,
        /// Select list of the keys.
        shown: &'static str,
        /// Aggregate calls.
        calls: Vec<String>,
        /// HAVING.
        having: Option<String>,
    },
    /// ORDER BY all columns with a LIMIT.
    Limit { input: Relation, rows: u64 },
    /// Ranks in the output.
    Rank { input: Relation, function: &'static str, rows: u64 },
    /// OVER by event time, or by a value.
    Over { input: Relation, window: &'static str, calls: Vec<String> },
    /// Any text over the tables' event time: windows, interval joins, patterns.
    Timed { text: String, filter: Option<String> },
}

const BASES: [&str; 6] = ["a", "b", "u", "l", "n", "w"];

impl Relation {
    fn random(r: &mut Random, depth: u64) -> Self {
        if depth == 0 || r.one_in(3) {
            return Relation::Base(r.pick(&BASES));
        }
        let inner = |r: &mut Random| Box::new(Relation::random(r, depth - 1));
        match r.below(9) {
            7 | 8 => Relation::chain(r, depth - 1),
            0 => Relation::Filter(inner(r), condition(r, "", 2)),
            1 => Relation::Aggregate(inner(r), r.pick(&["k", "v", "s", "MOD(v, 3)"])),
            2 | 3 => Relation::Join {
                kind: r.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]),
                left: inner(r),
                right: inner(r),
                on: r.one_in(2).then(|| {
                    r.pick(&[
                        "x.v < y.v",
                        "x.s <> y.s",
                        "x.d > y.d",
                        "x.v IS NOT DISTINCT FROM y.v",
                    ])
                    .to_owned()
                }),
            },
            4 => Relation::Semi {
                test: r.pick(&["IN", "NOT IN", "EXISTS", "NOT EXISTS"]),
                left: inner(r),
                right: inner(r),
            },
            5 => Relation::Set {
                op: r.pick(&[
                    "UNION ALL",
                    "UNION",
                    "INTERSECT",
                    "EXCEPT",
                    "INTERSECT ALL",
                    "EXCEPT ALL",
                ]),
                left: inner(r),
                right: inner(r),
            },
            _ => Relation::Top {
                input: inner(r),
                rows: 1 + r.below(3),
                order: r.pick(&["v, d, s", "v DESC, d, s", "d DESC, s DESC, v"]),
            },
        }
    }

    fn chain(r: &mut Random, depth: u64) -> Self {
        let kinds = ["JOIN", "LEFT JOIN"];
        Relation::Chain {
            parts: Box::new(std::array::from_fn(|_| Relation::random(r, depth))),
            kinds: std::array::from_fn(|_| r.pick(&kinds)),
            on: [
                r.pick(&["", "", " AND x.v < y.v", " AND y.s = 'x'", " AND x.s = y.s"]),
                r.pick(&["", "", " AND z.v > y.v", " AND x.d <= z.d", " AND y.s = z.s"]),
            ],
            via: r.pick(&["x", "y"]),
        }
    }

    /// As a table of FROM.
    fn from(&self) -> String {
        match self {
            Relation::Base(name) => (*name).to_owned(),
            other => format!("({})", other.sql()),
        }
    }

    fn sql(&self) -> String {
        match self {
            Relation::Base(name) => format!("SELECT k, v, d, s FROM {name}"),
            Relation::Filter(input, condition) => {
                format!("SELECT k, v, d, s FROM {} WHERE {condition}", input.from())
            }
            Relation::Aggregate(input, key) => format!(
                "SELECT CAST(MIN(k) AS INT) AS k, CAST(COUNT(v) AS INT) AS v, CAST(SUM(d) AS DECIMAL(10, 2)) AS d, MAX(s) AS s FROM {} GROUP BY {key}",
                input.from()
            ),
            Relation::Join { kind, left, right, on } => {
                let on = on.as_ref().map_or(String::new(), |c| format!(" AND {c}"));
                format!(
                    "SELECT x.k, y.v, x.d, y.s FROM {} AS x {kind} {} AS y ON x.k = y.k{on}",
                    left.from(),
                    right.from()
                )
            }
            Relation::Chain { parts, kinds, on, via } => {
                let [x, y, z] = parts.each_ref().map(Relation::from);
                format!(
                    "SELECT x.k, y.v, z.d, y.s FROM {x} AS x {} {y} AS y ON x.k = y.k{} {} {z} AS z ON {via}.k = z.k{}",
                    kinds[0], on[0], kinds[1], on[1]
                )
            }
            Relation::Semi { test, left, right } => {
                let (left, right) = (left.from(), right.from());
                let condition = match test.contains("EXISTS") {
                    true => format!(
                        "{test} (SELECT 1 FROM {right} AS y WHERE y.k = x.k AND y.v <> x.v)"
                    ),
                    false => format!("x.k {test} (SELECT y.v FROM {right} AS y)"),
                };
                format!("SELECT x.k, x.v, x.d, x.s FROM {left} AS x WHERE {condition}")
            }
            Relation::Set { op, left, right } => format!(
                "SELECT k, v, CAST(d AS DECIMAL(10, 2)) AS d, s FROM {} AS x {op} SELECT k, v, CAST(d AS DECIMAL(10, 2)) AS d, s FROM {} AS y",
                left.from(),
                right.from()
            ),
            Relation::Top { input, rows, order } => format!(
                "SELECT k, v, d, s FROM (SELECT k, v, d, s, ROW_NUMBER() OVER (PARTITION BY k ORDER BY {order}) AS rn FROM {}) WHERE rn <= {rows}",
                input.from()
            ),
        }
    }

    /// Relations with one step less.
    fn simpler(&self) -> Vec<Relation> {
        let mut out = Vec::new();
        let mut one = |input: &Relation, rebuild: &dyn Fn(Relation) -> Relation| {
            out.push(input.clone());
            out.extend(input.simpler().into_iter().map(rebuild));
        };
        match self.clone() {
            Relation::Base(name) => {
                if !matches!(name, "a" | "b") {
                    out.push(Relation::Base("a"));
                }
            }
            Relation::Filter(i, c) => {
                one(&i, &|x| Relation::Filter(Box::new(x), c.clone()));
            }
            Relation::Aggregate(i, key) => one(&i, &|x| Relation::Aggregate(Box::new(x), key)),
            Relation::Top { input, rows, order } => {
                one(&input, &|x| Relation::Top { input: Box::new(x), rows, order });
            }
            Relation::Join { kind, left, right, on } => {
                let with = |l: Relation, r: Relation, on: Option<String>| Relation::Join {
                    kind,
                    left: Box::new(l),
                    right: Box::new(r),
                    on,
                };
                one(&left, &|x| with(x, (*right).clone(), on.clone()));
                one(&right, &|x| with((*left).clone(), x, on.clone()));
                if on.is_some() {
                    out.push(with((*left).clone(), (*right).clone(), None));
                }
            }
            Relation::Chain { parts, kinds, on, via } => {
                for i in 0..3 {
                    one(&parts[i], &|part| {
                        let mut parts = parts.clone();
                        parts[i] = part;
                        Relation::Chain { parts, kinds, on, via }
                    });
                }
            }
            Relation::Semi { test, left, right } => {
                let with = |l: Relation, r: Relation| Relation::Semi {
                    test,
                    left: Box::new(l),
                    right: Box::new(r),
                };
                one(&left, &|x| with(x, (*right).clone()));
                one(&right, &|x| with((*left).clone(), x));
            }
            Relation::Set { op, left, right } => {
                let with = |l: Relation, r: Relation| Relation::Set {
                    op,
                    left: Box::new(l),
                    right: Box::new(r),
                };
                one(&left, &|x| with(x, (*right).clone()));
                one(&right, &|x| with((*left).clone(), x));
            }
        }
        out
    }
}

impl Query {
    /// A random query.
    pub fn random(r: &mut Random) -> Self {
        let input = |r: &mut Random| Relation::random(r, 3);
        let some = |r: &mut Random, f: &dyn Fn(&mut Random) -> String| {
            (0..=r.below(3)).map(|_| f(r)).collect::<Vec<_>>()
        };
        match r.below(10) {
            0 | 1 => Query::Select {
                input: input(r),
                items: some(r, &|r| value(r)),
                distinct: r.one_in(3),
            },
            2 | 3 => {
                let (keys, shown) = GROUPINGS[r.below(GROUPINGS.len() as u64) as usize];
                Query::Group {
                    input: input(r),
                    keys,
                    shown,
                    calls: some(r, &|r| aggregate(r)),
                    having: r.one_in(4).then(|| "COUNT(*) > 1".to_owned()),
                }
            }
            4 => Query::Limit { input: input(r), rows: 1 + r.below(5) },
            5 => Query::Rank {
                input: input(r),
                function: r.pick(&["ROW_NUMBER", "RANK", "DENSE_RANK"]),
                rows: 1 + r.below(3),
            },
            6 => Query::Over {
                input: Relation::Base(r.pick(&["a", "b"])),
                window: r.pick(&OVERS),
                calls: some(r, &|r| over_call(r)),
            },
            _ => Query::Timed { text: timed(r), filter: None },
        }
    }

    /// Whether it aggregates all rows into one.
    pub fn is_global(&self) -> bool {
        matches!(self, Query::Group { keys, .. } if keys.is_empty())
    }

    /// Its text.
    pub fn sql(&self) -> String {
        match self {
            Query::Select { input, items, distinct } => {
                let distinct = if *distinct { "DISTINCT " } else { "" };
                format!("SELECT {distinct}{} FROM {} AS t", numbered(items), input.from())
            }
            Query::Group { input, keys, shown, calls, having } => {
                let having = having.as_ref().map_or(String::new(), |h| format!(" HAVING {h}"));
                let shown = if shown.is_empty() { String::new() } else { format!("{shown}, ") };
                let keys =
                    if keys.is_empty() { String::new() } else { format!(" GROUP BY {keys}") };
                format!(
                    "SELECT {shown}{} FROM {} AS t{keys}{having}",
                    numbered(calls),
                    input.from()
                )
            }
            Query::Limit { input, rows } => format!(
                "SELECT k, v, d, s FROM {} AS t ORDER BY k, v DESC, d, s LIMIT {rows}",
                input.from()
            ),
            Query::Rank { input, function, rows } => {
                // Equal rows must not get different numbers: ROW_NUMBER orders by everything.
                let order = if *function == "ROW_NUMBER" { "v, d, s" } else { "v" };
                format!(
                    "SELECT k, v, d, s, rn FROM (SELECT k, v, d, s, {function}() OVER (PARTITION BY k ORDER BY {order}) AS rn FROM {} AS t) WHERE rn <= {rows}",
                    input.from()
                )
            }
            Query::Over { input, window, calls } => {
                let calls: Vec<String> =
                    calls.iter().map(|c| format!("{c} OVER ({window})")).collect();
                format!("SELECT k, v, {} FROM {} AS t", numbered(&calls), input.from())
            }
            Query::Timed { text, filter } => match filter {
                None => text.clone(),
                Some(f) => format!("SELECT * FROM ({text}) WHERE {f}"),
            },
        }
    }

    /// Queries with a part less.
    pub fn simpler(&self) -> Vec<Query> {
        let mut out = Vec::new();
        let with_input = |i: Relation| match self.clone() {
            Query::Select { items, distinct, .. } => Query::Select { input: i, items, distinct },
            Query::Group { keys, shown, calls, having, .. } => {
                Query::Group { input: i, keys, shown, calls, having }
            }
            Query::Limit { rows, .. } => Query::Limit { input: i, rows },
            Query::Rank { function, rows, .. } => Query::Rank { input: i, function, rows },
            other => other,
        };
        match self {
            Query::Select { input, items, distinct } => {
                out.extend(input.simpler().into_iter().map(with_input));
                for items in without_one(items) {
                    out.push(Query::Select { input: input.clone(), items, distinct: *distinct });
                }
                if *distinct {
                    let items = items.clone();
                    out.push(Query::Select { input: input.clone(), items, distinct: false });
                }
            }
            Query::Group { input, keys, shown, calls, having } => {
                out.extend(input.simpler().into_iter().map(with_input));
                for calls in without_one(calls) {
                    let having = having.clone();
                    out.push(Query::Group { input: input.clone(), keys, shown, calls, having });
                }
                if having.is_some() {
                    let (input, calls) = (input.clone(), calls.clone());
                    out.push(Query::Group { input, keys, shown, calls, having: None });
                }
            }
            Query::Limit { input, .. } | Query::Rank { input, .. } => {
                out.extend(input.simpler().into_iter().map(with_input));
            }
            Query::Over { input, window, calls } => {
                for calls in without_one(calls) {
                    out.push(Query::Over { input: input.clone(), window, calls });
                }
            }
            Query::Timed { .. } => {}
        }
        out
    }
}

fn without_one(list: &[String]) -> Vec<Vec<String>> {
    let less = |skip: usize| {
        list.iter().enumerate().filter(|(i, _)| *i != skip).map(|(_, x)| x.clone()).collect()
    };
    if list.len() < 2 { Vec::new() } else { (0..list.len()).map(less).collect() }
}

fn numbered(items: &[String]) -> String {
    let named: Vec<String> =
        items.iter().enumerate().map(|(i, e)| format!("{e} AS c{i}")).collect();
    named.join(", ")
}

/// (GROUP BY, select list)
const GROUPINGS: [(&str, &str); 7] = [
    ("k", "k"),
    ("k, s", "k, s"),
    ("v", "v"),
    ("", ""),
    ("GROUPING SETS ((k), (s), ())", "k, s, GROUPING_ID(k, s)"),
    ("ROLLUP (k, s)", "k, s"),
    ("CUBE (k, v)", "k, v"),
];

const OVERS: [&str; 5] = [
    "PARTITION BY k ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
    "PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '4' SECOND PRECEDING AND CURRENT ROW",
    "PARTITION BY k ORDER BY ts",
    "PARTITION BY s ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    "ORDER BY ts ROWS BETWEEN 3 PRECEDING AND CURRENT ROW",
];

fn value(r: &mut Random) -> String {
    r.pick(&[
        "k",
        "v",
        "d",
        "s",
        "v + k",
        "v * 2 - k",
        "ABS(v)",
        "COALESCE(v, 0)",
        "CASE WHEN v > 2 THEN 'hi' WHEN v IS NULL THEN 'null' ELSE s END",
        "MOD(v, 3)",
        "CHAR_LENGTH(s)",
        "UPPER(s) || '!'",
        "CAST(d AS INT)",
        "NULLIF(k, v)",
        "v > k",
        "d / 3",
        "GREATEST(k, v)",
    ])
    .to_owned()
}

fn condition(r: &mut Random, prefix: &str, depth: u64) -> String {
    if depth > 0 && r.one_in(2) {
        let (a, b) = (condition(r, prefix, depth - 1), condition(r, prefix, depth - 1));
        return match r.below(3) {
            0 => format!("({a} AND {b})"),
            1 => format!("({a} OR {b})"),
            _ => format!("NOT ({a})"),
        };
    }
    let c = r.pick(&[
        "v > 2",
        "v <= 5",
        "k = 1",
        "v IS NULL",
        "s LIKE '%b%'",
        "s IN ('x', 'ab')",
        "v BETWEEN 0 AND 6",
        "k IS NOT DISTINCT FROM v",
        "d > 1.5",
        "s <> 'y'",
        "v <> k",
        "k IS NOT NULL",
        "v NOT IN (1, 2, 3)",
    ]);
    format!("{prefix}{c}")
}

fn aggregate(r: &mut Random) -> String {
    r.pick(&[
        "COUNT(*)",
        "COUNT(v)",
        "COUNT(DISTINCT s)",
        "COUNT(DISTINCT v)",
        "SUM(v)",
        "SUM(d)",
        "SUM(DISTINCT v)",
        "AVG(v)",
        "MIN(v)",
        "MAX(d)",
        "MAX(s)",
        "MIN(s)",
        "COUNT(*) FILTER (WHERE v > 1)",
        "SUM(v) FILTER (WHERE s <> 'x')",
    ])
    .to_owned()
}

fn over_call(r: &mut Random) -> String {
    r.pick(&["SUM(v)", "COUNT(*)", "COUNT(v)", "MIN(v)", "MAX(d)", "MAX(s)", "AVG(v)", "SUM(d)"])
        .to_owned()
}

/// Queries over event time.
fn timed(r: &mut Random) -> String {
    let table = r.pick(&["a", "b"]);
    let window = r.pick(&[
        "TUMBLE(TABLE @, DESCRIPTOR(ts), INTERVAL '5' SECOND)",
        "HOP(TABLE @, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '6' SECOND)",
        "CUMULATE(TABLE @, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '8' SECOND)",
        "SESSION(TABLE @ PARTITION BY k, DESCRIPTOR(ts), INTERVAL '2' SECOND)",
    ]);
    let session = window.starts_with("SESSION");
    let window_of = |t: &str| format!("TABLE({})", window.replace('@', t));
    match r.below(5) {
        0 | 1 => {
            let key = if session || r.one_in(2) { "k, " } else { "" };
            format!(
                "SELECT window_start, window_end, {key}{} AS c0, {} AS c1 FROM {} GROUP BY {key}window_start, window_end",
                aggregate(r),
                aggregate(r),
                window_of(table)
            )
        }
        2 => format!(
            "SELECT k, v, d, s, window_start, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, k ORDER BY v DESC, d, s) AS rn FROM {}) WHERE rn <= 2",
            window_of(table)
        ),
        3 => format!(
            "SELECT x.k, x.v, y.d, y.s FROM a AS x {} b AS y ON x.k = y.k AND x.ts BETWEEN y.ts - INTERVAL '{}' SECOND AND y.ts + INTERVAL '{}' SECOND",
            r.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]),
            1 + r.below(4),
            r.below(5)
        ),
        _ => pattern(r, table),
    }
}

fn pattern(r: &mut Random, table: &str) -> String {
    let b = r.pick(&["", "*", "+", "?", "{2}", "{1,2}", "{2,}", "*?", "+?", "{1,3}?"]);
    let skip = r.pick(&["PAST LAST ROW", "TO NEXT ROW", "TO LAST C"]);
    let within = r.pick(&["", "", "WITHIN INTERVAL '6' SECOND "]);
    let define = r.pick(&[
        "A AS A.v > 0, B AS B.v < 6, C AS C.v > 1",
        "B AS B.v >= LAST(A.v), C AS C.v < LAST(B.v) OR C.v > 4",
        "A AS A.s <> 'x', B AS SUM(B.v) < 12, C AS C.d IS NOT NULL",
        "B AS B.v > LAST(B.v, 1) OR LAST(B.v, 1) IS NULL, C AS C.v <= A.v",
    ]);
    let partition = r.pick(&["PARTITION BY k ", "PARTITION BY s ", ""]);
    format!(
        "SELECT * FROM {table} MATCH_RECOGNIZE ({partition}ORDER BY ts MEASURES A.ts AS t0, C.ts AS t1, COUNT(B.v) AS n, SUM(v) AS sv, FIRST(B.d) AS bd ONE ROW PER MATCH AFTER MATCH SKIP {skip} PATTERN (A B{b} C) {within}DEFINE {define}) AS m"
    )
}
