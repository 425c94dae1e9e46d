//! Random trees come back from their print.
//!
//! The generators make only trees that the parser can make: a tuple of one
//! element, say, is just that element.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use weir_parser::ast::*;
use weir_parser::printer::{PrintOptions, print_expr_with, print_query_with};
use weir_parser::{Span, parse_data_type, parse_expr, parse_query};

fn at(kind: ExprKind) -> Expr {
    Expr::new(kind, Span::default())
}

fn ident() -> BoxedStrategy<Ident> {
    const NAMES: [&str; 16] = [
        "a",
        "b",
        "Col",
        "select",
        "from",
        "key",
        "final",
        "model",
        "x y",
        "a`b",
        "中",
        "1a",
        "watermark",
        "first",
        "row",
        "unbounded",
    ];
    proptest::sample::select(&NAMES[..]).prop_map(Ident::new).boxed()
}

fn object_name() -> BoxedStrategy<ObjectName> {
    vec(ident(), 1..4).prop_map(ObjectName).boxed()
}

fn text() -> BoxedStrategy<String> {
    proptest::sample::select(&["", "a", "it's", "--", "/* x", "\\", "é\n", "`;"][..])
        .prop_map(str::to_string)
        .boxed()
}

fn unit() -> BoxedStrategy<TimeUnit> {
    use TimeUnit::*;
    proptest::sample::select(&[Year, Month, Day, Hour, Minute, Second, Week, Quarter, Dow][..])
        .boxed()
}

fn qualifier() -> BoxedStrategy<IntervalQualifier> {
    prop_oneof![
        unit().prop_map(IntervalQualifier::unit),
        Just(IntervalQualifier {
            from: TimeUnit::Day,
            precision: Some(3),
            to: Some(TimeUnit::Second),
            fraction: Some(6),
        }),
        Just(IntervalQualifier {
            from: TimeUnit::Second,
            precision: Some(2),
            to: None,
            fraction: Some(3),
        }),
    ]
    .boxed()
}

fn literal() -> BoxedStrategy<Literal> {
    let number =
        proptest::sample::select(&["0", "1", "1.50", ".5", "2.", "1e3", "99999999999"][..]);
    prop_oneof![
        number.prop_map(|n| Literal::Number(n.to_string())),
        text().prop_map(Literal::String),
        any::<bool>().prop_map(Literal::Boolean),
        Just(Literal::Null),
        Just(Literal::Unknown),
        Just(Literal::Binary("0AFF".to_string())),
        text().prop_map(Literal::Date),
        text().prop_map(Literal::Time),
        text().prop_map(Literal::Timestamp),
        (any::<bool>(), text(), qualifier()).prop_map(|(negative, value, qualifier)| {
            Literal::Interval(IntervalLit { negative, value, qualifier, span: Span::default() })
        }),
    ]
    .boxed()
}

fn data_type() -> BoxedStrategy<DataType> {
    use DataTypeKind::*;
    let plain = prop_oneof![
        proptest::sample::select(
            &[Int, BigInt, String, Boolean, Bytes, Date, Variant, Double, TinyInt, Bitmap][..]
        ),
        option::of(1u32..9).prop_map(Char),
        option::of(1u32..9).prop_map(Time),
        option::of(1u32..9).prop_map(Timestamp),
        option::of(1u32..9).prop_map(TimestampLtz),
        option::of(1u32..9).prop_map(TimestampTz),
        option::of((1u32..9, option::of(0u32..3)))
            .prop_map(|d| Decimal { precision: d.map(|d| d.0), scale: d.and_then(|d| d.1) }),
        qualifier().prop_map(Interval),
        object_name().prop_map(Named),
    ];
    let wrap = |kind: BoxedStrategy<DataTypeKind>| {
        (kind, option::of(any::<bool>()))
            .prop_map(|(kind, nullable)| DataType { kind, nullable, span: Span::default() })
            .boxed()
    };
    wrap(plain.boxed())
        .prop_recursive(3, 12, 3, move |inner| {
            let field =
                (ident(), inner.clone(), option::of(text())).prop_map(|(name, t, comment)| {
                    RowField {
                        name,
                        data_type: t,
                        comment: comment.map(StringLit::new),
                        span: Span::default(),
                    }
                });
            let kind = prop_oneof![
                inner.clone().prop_map(|t| Array(Box::new(t))),
                inner.clone().prop_map(|t| Multiset(Box::new(t))),
                (inner.clone(), inner.clone()).prop_map(|(k, v)| Map(Box::new(k), Box::new(v))),
                vec(field.clone(), 0..4).prop_map(Row),
                (text(), vec(field, 0..3)).prop_map(|(class, fields)| Structured {
                    class: StringLit::new(class),
                    fields,
                }),
            ];
            wrap(kind.boxed())
        })
        .boxed()
}

fn binary_op() -> BoxedStrategy<BinaryOp> {
    use BinaryOp::*;
    proptest::sample::select(
        &[
            Or,
            And,
            Eq,
            NotEq,
            Lt,
            LtEq,
            Gt,
            GtEq,
            IsDistinctFrom,
            IsNotDistinctFrom,
            Plus,
            Minus,
            Multiply,
            Divide,
            Modulo,
            Concat,
            Overlaps,
            Contains,
            Equals,
            Precedes,
            ImmediatelySucceeds,
            MemberOf,
            SubmultisetOf,
            MultisetUnion,
            MultisetExceptDistinct,
            MultisetIntersect,
        ][..],
    )
    .boxed()
}

fn boxed(expr: BoxedStrategy<Expr>) -> BoxedStrategy<Box<Expr>> {
    expr.prop_map(Box::new).boxed()
}

fn leaf() -> BoxedStrategy<Expr> {
    let bare = |name: &str| {
        let mut call = FunctionCall::new(Ident::new(name).into(), Vec::new(), Span::default());
        call.parens = false;
        at(ExprKind::Function(Box::new(call)))
    };
    prop_oneof![
        3 => object_name().prop_map(|n| at(ExprKind::Identifier(n))),
        3 => literal().prop_map(|l| at(ExprKind::Literal(l))),
        1 => Just(bare("CURRENT_DATE")),
        1 => Just(at(ExprKind::Default)),
    ]
    .boxed()
}

/// Expressions without subqueries.
fn expr() -> BoxedStrategy<Expr> {
    leaf()
        .prop_recursive(6, 48, 4, |inner| {
            let b = boxed(inner.clone());
            prop_oneof![
                operators(inner.clone()),
                predicates(inner.clone()),
                calls(inner.clone()),
                words(inner.clone()),
                json(inner.clone()),
                collections(inner),
                (b.clone(), data_type(), any::<bool>(), option::of(text())).prop_map(
                    |(expr, data_type, try_cast, format)| at(ExprKind::Cast {
                        try_cast,
                        expr,
                        data_type,
                        format
                    })
                ),
            ]
        })
        .boxed()
}

fn operators(inner: BoxedStrategy<Expr>) -> BoxedStrategy<Expr> {
    use UnaryOp::*;
    let b = boxed(inner.clone());
    prop_oneof![
        (b.clone(), binary_op(), b.clone()).prop_map(|(left, op, right)| at(ExprKind::Binary {
            left,
            op,
            right
        })),
        (proptest::sample::select(&[Plus, Minus, Not][..]), b.clone())
            .prop_map(|(op, expr)| at(ExprKind::Unary { op, expr })),
        (b.clone(), b.clone()).prop_map(|(expr, zone)| at(ExprKind::AtTimeZone { expr, zone })),
        (b.clone(), b.clone()).prop_map(|(expr, index)| at(ExprKind::Subscript { expr, index })),
        (b.clone(), ident()).prop_map(|(expr, field)| at(ExprKind::FieldAccess { expr, field })),
        (any::<bool>(), b, qualifier()).prop_map(|(negative, value, qualifier)| {
            at(ExprKind::IntervalExpr { negative, value, qualifier })
        }),
        (variant_base(inner.clone()), ident(), vec(variant_step(inner), 0..3)).prop_map(
            |(expr, first, rest)| {
                let first = VariantStep::Field(first);
                let steps = std::iter::once(first).chain(rest).collect();
                at(ExprKind::VariantPath { expr: Box::new(expr), steps })
            }
        ),
    ]
    .boxed()
}

/// A path cannot be taken of a literal.
fn variant_base(inner: BoxedStrategy<Expr>) -> BoxedStrategy<Expr> {
    inner.prop_filter("no literal", |e| !matches!(e.kind, ExprKind::Literal(_))).boxed()
}

fn variant_step(inner: BoxedStrategy<Expr>) -> BoxedStrategy<VariantStep> {
    prop_oneof![ident().prop_map(VariantStep::Field), inner.prop_map(VariantStep::Index)].boxed()
}

fn predicates(inner: BoxedStrategy<Expr>) -> BoxedStrategy<Expr> {
    use IsTest::*;
    let b = boxed(inner.clone());
    let no = any::<bool>();
    prop_oneof![
        (b.clone(), proptest::sample::select(&[Null, True, Unknown, ASet, Empty][..]), no)
            .prop_map(|(expr, test, negated)| at(ExprKind::Is { expr, test, negated })),
        (b.clone(), no, no, b.clone(), b.clone()).prop_map(
            |(expr, negated, symmetric, low, high)| at(ExprKind::Between {
                expr,
                negated,
                symmetric,
                low,
                high
            })
        ),
        (
            b.clone(),
            proptest::sample::select(&[LikeKind::Like, LikeKind::SimilarTo, LikeKind::ILike][..]),
            no,
            b.clone(),
            option::of(b.clone())
        )
            .prop_map(|(expr, kind, negated, pattern, escape)| at(ExprKind::Like {
                expr,
                kind,
                negated,
                pattern,
                escape
            })),
        (b.clone(), no, vec(inner.clone(), 1..4))
            .prop_map(|(expr, negated, list)| at(ExprKind::InList { expr, negated, list })),
        (b.clone(), vec(inner.clone(), 1..3)).prop_map(|(left, list)| at(ExprKind::Quantified {
            left,
            op: BinaryOp::GtEq,
            quantifier: Quantifier::Any,
            source: QuantifiedSource::List(list),
        })),
        (b.clone(), proptest::sample::select(&[JsonKind::Value, JsonKind::Object][..]), no)
            .prop_map(|(expr, kind, negated)| at(ExprKind::IsJson { expr, kind, negated })),
        (option::of(b.clone()), vec((inner.clone(), inner), 1..3), option::of(b)).prop_map(
            |(operand, branches, else_result)| {
                let branch = |(when, then)| CaseBranch { when: vec![when], then };
                let branches = branches.into_iter().map(branch).collect();
                at(ExprKind::Case { operand, branches, else_result })
            }
        ),
    ]
    .boxed()
}

fn function_name() -> BoxedStrategy<ObjectName> {
    const NAMES: [&str; 12] = [
        "f",
        "COUNT",
        "LEFT",
        "cast",
        "MAP",
        "DESCRIPTOR",
        "FLOOR",
        "TIMESTAMPADD",
        "select",
        "row",
        "IF",
        "final",
    ];
    prop_oneof![
        proptest::sample::select(&NAMES[..]).prop_map(|n| Ident::new(n).into()),
        vec(ident(), 2..3).prop_map(ObjectName),
    ]
    .boxed()
}

fn order_by(inner: BoxedStrategy<Expr>) -> BoxedStrategy<Vec<OrderByExpr>> {
    let item =
        (inner, any::<bool>(), option::of(any::<bool>())).prop_map(|(expr, desc, nulls_first)| {
            OrderByExpr { expr, desc, nulls_first, span: Span::default() }
        });
    vec(item, 0..3).boxed()
}

fn window(inner: BoxedStrategy<Expr>) -> BoxedStrategy<WindowRef> {
    let bound = prop_oneof![
        Just(FrameBound::UnboundedPreceding),
        Just(FrameBound::CurrentRow),
        boxed(inner.clone()).prop_map(FrameBound::Preceding),
        boxed(inner.clone()).prop_map(FrameBound::Following),
    ];
    let frame = (any::<bool>(), bound.clone(), option::of(bound))
        .prop_map(|(rows, start, end)| WindowFrame { rows, start, end, span: Span::default() });
    let spec = (option::of(ident()), vec(inner.clone(), 0..3), order_by(inner), option::of(frame))
        .prop_map(|(base, partition_by, order_by, frame)| {
            let span = Span::default();
            WindowRef::Spec(WindowSpec { base, partition_by, order_by, frame, span })
        });
    prop_oneof![ident().prop_map(WindowRef::Name), spec].boxed()
}

fn argument(inner: BoxedStrategy<Expr>) -> BoxedStrategy<FunctionArg> {
    let table = (object_name(), vec(inner.clone(), 0..3), order_by(inner.clone())).prop_map(
        |(name, partition_by, order_by)| {
            let source = TableArgSource::Name { name, hints: Vec::new() };
            let span = Span::default();
            ArgValue::Table(Box::new(TableArg { source, partition_by, order_by, span }))
        },
    );
    let table = table.prop_filter("one tuple is a list", |value| match value {
        ArgValue::Table(arg) => {
            !matches!(arg.partition_by.as_slice(), [Expr { kind: ExprKind::Tuple(_), .. }])
        }
        _ => true,
    });
    let column = (ident(), option::of(data_type()))
        .prop_map(|(name, data_type)| DescriptorColumn { name, data_type });
    let value = prop_oneof![
        6 => inner.prop_map(ArgValue::Expr),
        1 => Just(ArgValue::Star),
        1 => table,
        1 => object_name().prop_map(ArgValue::Model),
        1 => vec(column, 0..3).prop_map(ArgValue::Descriptor),
    ];
    (option::of(ident()), value)
        .prop_map(|(name, value)| FunctionArg { name, value, span: Span::default() })
        .boxed()
}

fn calls(inner: BoxedStrategy<Expr>) -> BoxedStrategy<Expr> {
    let nulls = proptest::sample::select(&[NullTreatment::Ignore, NullTreatment::Respect][..]);
    let quantifier = proptest::sample::select(&[SetQuantifier::All, SetQuantifier::Distinct][..]);
    (
        function_name(),
        vec(argument(inner.clone()), 0..4),
        option::of(quantifier),
        order_by(inner.clone()),
        order_by(inner.clone()),
        option::of(nulls),
        option::of(boxed(inner.clone())),
        option::of(window(inner)),
    )
        .prop_map(|(name, args, quantifier, order_by, within_group, nulls, filter, over)| {
            let mut call = FunctionCall::new(name, args, Span::default());
            if !call.args.is_empty() {
                call.quantifier = quantifier;
            }
            // After a table argument, ORDER BY belongs to the table.
            if matches!(call.args.last(), Some(FunctionArg { value: ArgValue::Expr(_), .. })) {
                call.order_by = order_by;
            }
            (call.within_group, call.nulls) = (within_group, nulls);
            (call.filter, call.over) = (filter, over);
            at(ExprKind::Function(Box::new(call)))
        })
        .boxed()
}

fn words(inner: BoxedStrategy<Expr>) -> BoxedStrategy<Expr> {
    let b = boxed(inner);
    let opt = option::of(b.clone());
    let side = option::of(proptest::sample::select(&[TrimSide::Both, TrimSide::Leading][..]));
    prop_oneof![
        (unit(), b.clone()).prop_map(|(unit, expr)| at(ExprKind::Extract { unit, expr })),
        (b.clone(), b.clone(), opt.clone()).prop_map(|(needle, haystack, from)| {
            at(ExprKind::Position { needle, haystack, from })
        }),
        (b.clone(), b.clone(), opt.clone()).prop_map(|(expr, from, len)| at(ExprKind::Substring {
            expr,
            from,
            len
        })),
        (side, opt.clone(), b.clone()).prop_map(|(side, chars, expr)| at(ExprKind::Trim {
            side,
            chars,
            expr
        })),
        (b.clone(), b.clone(), b.clone(), opt).prop_map(|(expr, placing, from, len)| {
            at(ExprKind::Overlay { expr, placing, from, len })
        }),
        (any::<bool>(), b.clone(), unit()).prop_map(|(ceil, expr, unit)| at(ExprKind::RoundTo {
            ceil,
            expr,
            unit
        })),
        (unit(), b.clone(), b.clone()).prop_map(|(unit, from, to)| at(ExprKind::TimestampDiff {
            unit,
            from,
            to
        })),
        (b.clone(), b).prop_map(|(from, minus)| at(ExprKind::TimeDifference {
            from,
            minus,
            qualifier: IntervalQualifier::unit(TimeUnit::Day)
        })),
    ]
    .boxed()
}

fn json(inner: BoxedStrategy<Expr>) -> BoxedStrategy<Expr> {
    let b = boxed(inner.clone());
    let behavior = prop_oneof![
        Just(JsonValueBehavior::Null),
        Just(JsonValueBehavior::Error),
        b.clone().prop_map(JsonValueBehavior::Default),
    ];
    let on_null = option::of(proptest::sample::select(&[JsonOnNull::Null, JsonOnNull::Absent][..]));
    let entry = (inner.clone(), inner.clone()).prop_map(|(key, value)| JsonEntry { key, value });
    prop_oneof![
        (
            b.clone(),
            b.clone(),
            option::of(data_type()),
            option::of(behavior.clone()),
            option::of(behavior)
        )
            .prop_map(|(input, path, returning, on_empty, on_error)| {
                at(ExprKind::JsonValue { input, path, returning, on_empty, on_error })
            }),
        (vec(entry, 0..3), on_null.clone())
            .prop_map(|(entries, on_null)| at(ExprKind::JsonObject { entries, on_null })),
        (vec(inner.clone(), 0..3), on_null.clone())
            .prop_map(|(items, on_null)| at(ExprKind::JsonArray { items, on_null })),
        (b.clone(), order_by(inner.clone()), on_null, option::of(b), option::of(window(inner)))
            .prop_map(|(item, order_by, on_null, filter, over)| {
                let over = over.map(Box::new);
                at(ExprKind::JsonArrayAgg { item, order_by, on_null, filter, over })
            }),
    ]
    .boxed()
}

fn collections(inner: BoxedStrategy<Expr>) -> BoxedStrategy<Expr> {
    let b = boxed(inner.clone());
    prop_oneof![
        vec(inner.clone(), 0..4).prop_map(|l| at(ExprKind::Row(l))),
        vec(inner.clone(), 2..4).prop_map(|l| at(ExprKind::Tuple(l))),
        vec(inner.clone(), 0..4).prop_map(|l| at(ExprKind::Array(l))),
        (inner.clone(), inner.clone()).prop_map(|(k, v)| at(ExprKind::Map(vec![k, v]))),
        vec(inner, 0..3).prop_map(|l| at(ExprKind::Multiset(l))),
        (b.clone(), b).prop_map(|(start, end)| at(ExprKind::Period { start, end })),
    ]
    .boxed()
}

// ---- queries -------------------------------------------------------------

/// Small expressions, among them subqueries when a query is given.
fn small_expr(query: Option<BoxedStrategy<Query>>) -> BoxedStrategy<Expr> {
    let leaf = leaf();
    let Some(query) = query else { return leaf };
    let query = query.prop_map(Box::new);
    let b = boxed(leaf.clone());
    prop_oneof![
        4 => leaf.clone(),
        2 => (b.clone(), binary_op(), b.clone())
            .prop_map(|(left, op, right)| at(ExprKind::Binary { left, op, right })),
        1 => query.clone().prop_map(|q| at(ExprKind::Subquery(q))),
        1 => query.clone().prop_map(|q| at(ExprKind::Exists(q))),
        1 => query.clone().prop_map(|q| at(ExprKind::ArrayQuery(q))),
        1 => (b.clone(), any::<bool>(), query.clone())
            .prop_map(|(expr, negated, query)| at(ExprKind::InSubquery { expr, negated, query })),
        1 => (query.clone(), b).prop_map(|(q, right)| at(ExprKind::Binary {
            left: Box::new(at(ExprKind::Subquery(q))),
            op: BinaryOp::Plus,
            right
        })),
        1 => (leaf, query).prop_map(|(a, q)| {
            at(ExprKind::Tuple(vec![at(ExprKind::Subquery(q)), a]))
        }),
    ]
    .boxed()
}

fn alias() -> BoxedStrategy<Option<TableAlias>> {
    let alias = (ident(), vec(ident(), 0..3)).prop_map(|(name, columns)| TableAlias {
        name,
        columns,
        span: Span::default(),
    });
    option::of(alias).boxed()
}

fn factor(query: Option<BoxedStrategy<Query>>) -> BoxedStrategy<TableFactor> {
    let time = option::of(boxed(leaf()));
    let table = (object_name(), time).prop_map(|(name, system_time)| TableFactorKind::Table {
        name,
        hints: Vec::new(),
        system_time,
    });
    let call = (object_name(), vec(argument(leaf()), 0..3))
        .prop_map(|(name, args)| Box::new(FunctionCall::new(name, args, Span::default())));
    let function = (any::<bool>(), any::<bool>(), call)
        .prop_map(|(lateral, wrapped, call)| TableFactorKind::Function { lateral, wrapped, call });
    let unnest = (vec(leaf(), 1..3), any::<bool>()).prop_map(|(exprs, with_ordinality)| {
        TableFactorKind::Unnest { lateral: false, exprs, with_ordinality }
    });
    let kind = match query {
        None => prop_oneof![table, function, unnest].boxed(),
        Some(query) => {
            let derived = (any::<bool>(), query.prop_map(Box::new))
                .prop_map(|(lateral, query)| TableFactorKind::Derived { lateral, query });
            prop_oneof![table, function, unnest, derived].boxed()
        }
    };
    let sample = option::weighted(0.1, boxed(leaf())).prop_map(|value| {
        value.map(|value| TableSample {
            method: SampleMethod::System,
            value,
            repeatable: None,
            span: Span::default(),
        })
    });
    (kind, sample, alias())
        .prop_map(|(kind, sample, alias)| TableFactor {
            kind,
            sample,
            alias,
            span: Span::default(),
        })
        .boxed()
}

fn table(query: Option<BoxedStrategy<Query>>) -> BoxedStrategy<TableWithJoins> {
    use JoinKind::*;
    let kinds = proptest::sample::select(&[Inner, Left, Right, Full, LeftSemi][..]);
    let constraint = prop_oneof![
        Just(JoinConstraint::None),
        small_expr(query.clone()).prop_map(JoinConstraint::On),
        vec(ident(), 1..3).prop_map(JoinConstraint::Using),
    ];
    let factor = factor(query);
    let join = prop_oneof![
        4 => (kinds, factor.clone(), constraint).prop_map(|(kind, right, constraint)| Join {
            kind, natural: false, right, constraint, span: Span::default(),
        }),
        1 => (any::<bool>(), factor.clone()).prop_map(|(natural, right)| Join {
            kind: if natural { Left } else { Cross },
            natural,
            right,
            constraint: JoinConstraint::None,
            span: Span::default(),
        }),
    ];
    let flat =
        (factor, vec(join, 0..3)).prop_map(|(relation, joins)| TableWithJoins { relation, joins });
    (flat, any::<bool>(), alias())
        .prop_map(|(inner, nest, alias)| {
            if !nest || inner.joins.is_empty() {
                return inner;
            }
            let kind = TableFactorKind::Nested(Box::new(inner));
            let relation = TableFactor { kind, sample: None, alias, span: Span::default() };
            TableWithJoins { relation, joins: Vec::new() }
        })
        .boxed()
}

fn select(query: Option<BoxedStrategy<Query>>) -> BoxedStrategy<SetExpr> {
    let span = Span::default();
    let e = small_expr(query.clone());
    let item = prop_oneof![
        1 => Just(SelectItem::Wildcard(span)),
        1 => object_name().prop_map(move |qualifier| SelectItem::QualifiedWildcard { qualifier, span }),
        4 => (e.clone(), option::of(ident()))
            .prop_map(move |(expr, alias)| SelectItem::Expr { expr, alias, span }),
    ];
    let element = prop_oneof![
        Just(GroupingElement::Empty),
        e.clone()
            .prop_filter("a tuple is a list", |e| !matches!(e.kind, ExprKind::Tuple(_)))
            .prop_map(GroupingElement::Expr),
        vec(e.clone(), 2..3).prop_map(GroupingElement::Exprs),
    ];
    let element = prop_oneof![
        element.clone(),
        vec(element.clone(), 1..3).prop_map(GroupingElement::GroupingSets),
        vec(element, 1..3).prop_map(GroupingElement::Rollup),
    ];
    let group_by =
        vec(element, 1..3).prop_map(move |elements| GroupBy { quantifier: None, elements, span });
    (
        vec(item, 1..4),
        vec(table(query), 0..3),
        option::of(e.clone()),
        option::of(group_by),
        option::of(e.clone()),
        option::of(e),
        any::<bool>(),
    )
        .prop_map(move |(projection, from, selection, group_by, having, qualify, distinct)| {
            let clauses = !from.is_empty();
            SetExpr::Select(Box::new(Select {
                hints: Vec::new(),
                stream: false,
                quantifier: distinct.then_some(SetQuantifier::Distinct),
                projection,
                from,
                selection: selection.filter(|_| clauses),
                group_by: group_by.filter(|_| clauses),
                having: having.filter(|_| clauses),
                windows: Vec::new(),
                qualify: qualify.filter(|_| clauses),
                span,
            }))
        })
        .boxed()
}

fn values() -> BoxedStrategy<SetExpr> {
    let row = vec(leaf(), 1..3).prop_map(|exprs| ValuesRow { exprs, span: Span::default() });
    vec(row, 1..3).prop_map(|rows| SetExpr::Values(Values { rows, span: Span::default() })).boxed()
}

fn body(query: Option<BoxedStrategy<Query>>) -> BoxedStrategy<SetExpr> {
    let simple = prop_oneof![
        4 => select(query.clone()),
        1 => values(),
        1 => object_name().prop_map(SetExpr::Table),
    ];
    let operand = match query {
        None => simple.clone().boxed(),
        Some(query) => prop_oneof![
            2 => simple.clone(),
            1 => query.prop_map(|q| match q.is_plain() {
                true => q.body,
                false => SetExpr::Query(Box::new(q)),
            }),
        ]
        .boxed(),
    };
    let op = proptest::sample::select(&[SetOp::Union, SetOp::Intersect, SetOp::Except][..]);
    let set = (op, any::<bool>(), operand.clone(), operand).prop_map(|(op, all, left, right)| {
        let span = Span::default();
        SetExpr::SetOp(Box::new(SetOperation { op, all, left, right, span }))
    });
    prop_oneof![2 => simple, 1 => set].boxed()
}

fn query_over(inner: Option<BoxedStrategy<Query>>) -> BoxedStrategy<Query> {
    let with = match inner.clone() {
        None => Just(None).boxed(),
        Some(query) => {
            let cte = (ident(), vec(ident(), 0..3), query.prop_map(Box::new)).prop_map(
                |(name, columns, query)| Cte { name, columns, query, span: Span::default() },
            );
            let with = vec(cte, 1..3).prop_map(|ctes| With {
                recursive: false,
                ctes,
                span: Span::default(),
            });
            option::weighted(0.2, with).boxed()
        }
    };
    let count = || option::weighted(0.3, leaf());
    (with, body(inner), order_by(leaf()), count(), count(), count())
        .prop_map(|(with, body, order_by, limit, offset, fetch)| Query {
            with,
            body,
            order_by,
            limit,
            offset,
            fetch,
            span: Span::default(),
        })
        .boxed()
}

fn query() -> BoxedStrategy<Query> {
    query_over(Some(query_over(Some(query_over(None)))))
}

// ---- the properties ------------------------------------------------------

const LAYOUTS: [PrintOptions; 2] =
    [PrintOptions::ONE_LINE, PrintOptions { quote_all: true, one_line: false, strict: false }];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn types_come_back(data_type in data_type()) {
        let printed = data_type.to_string();
        let again = parse_data_type(&printed).map_err(|e| TestCaseError::fail(e.render(&printed)))?;
        prop_assert!(data_type == again, "{}", printed);
    }

    #[test]
    fn expressions_come_back(expr in expr()) {
        for layout in LAYOUTS {
            let printed = print_expr_with(&expr, layout);
            let again = parse_expr(&printed).map_err(|e| TestCaseError::fail(e.render(&printed)))?;
            prop_assert!(expr == again, "{}\nbecame\n{}", printed, print_expr_with(&again, layout));
        }
    }

    #[test]
    fn queries_come_back(query in query()) {
        for layout in LAYOUTS {
            let printed = print_query_with(&query, layout);
            let again = parse_query(&printed).map_err(|e| TestCaseError::fail(e.render(&printed)))?;
            prop_assert!(query == again, "{}\nbecame\n{}", printed, print_query_with(&again, layout));
        }
    }
}
