//! Function calls: ordinary ones, those whose arguments are joined by words,
//! and the JSON functions; windows and hints.

use super::Printer;
use crate::ast::*;
use crate::keywords;
use crate::precedence as prec;

/// Functions that are read by a syntax of their own unless quoted.
const SPECIAL: [&str; 4] = ["DESCRIPTOR", "MAP", "TIMESTAMPADD", "TIMESTAMPDIFF"];

impl Printer<'_> {
    pub(super) fn function_call(&mut self, call: &FunctionCall) {
        self.function_name(call);
        if call.parens {
            self.call_after_name(call);
        }
    }

    pub(super) fn call_after_name(&mut self, call: &FunctionCall) {
        self.put("(");
        self.set_quantifier(call.quantifier);
        self.list(&call.args, Self::function_arg);
        self.order_by(" ", &call.order_by);
        self.put(")");
        match call.nulls {
            Some(NullTreatment::Respect) => self.put(" RESPECT NULLS"),
            Some(NullTreatment::Ignore) => self.put(" IGNORE NULLS"),
            None => {}
        }
        if !call.within_group.is_empty() {
            self.put(" WITHIN GROUP (");
            self.order_by("", &call.within_group);
            self.put(")");
        }
        self.filter(call.filter.as_deref());
        self.over(call.over.as_ref());
    }

    fn function_name(&mut self, call: &FunctionCall) {
        match call.name.single() {
            Some(name) if !call.parens || !must_quote(&name.value, call) => self.put(&name.value),
            Some(name) => self.put(&super::quote_identifier(&name.value)),
            None => self.object_name(&call.name),
        }
    }

    pub(super) fn set_quantifier(&mut self, quantifier: Option<SetQuantifier>) {
        match quantifier {
            Some(SetQuantifier::Distinct) => self.put("DISTINCT "),
            Some(SetQuantifier::All) => self.put("ALL "),
            None => {}
        }
    }

    fn filter(&mut self, filter: Option<&Expr>) {
        if let Some(filter) = filter {
            self.put(" FILTER (WHERE ");
            self.expr(filter, 0);
            self.put(")");
        }
    }

    fn over(&mut self, over: Option<&WindowRef>) {
        match over {
            None => {}
            Some(WindowRef::Name(name)) => {
                self.put(" OVER ");
                self.ident(name);
            }
            Some(WindowRef::Spec(spec)) => {
                self.put(" OVER ");
                self.window_spec(spec);
            }
        }
    }

    fn function_arg(&mut self, arg: &FunctionArg) {
        if let Some(name) = &arg.name {
            self.ident(name);
            self.put(" => ");
        }
        match &arg.value {
            ArgValue::Expr(expr) => self.expr(expr, 0),
            ArgValue::Star => self.put("*"),
            ArgValue::Table(table) => self.table_arg(table),
            ArgValue::Model(name) => {
                self.put("MODEL ");
                self.object_name(name);
            }
            ArgValue::Descriptor(columns) => {
                self.put("DESCRIPTOR");
                self.paren_list(columns, |p, column| {
                    p.ident(&column.name);
                    if let Some(data_type) = &column.data_type {
                        p.put(" ");
                        p.data_type(data_type);
                    }
                });
            }
        }
    }

    fn table_arg(&mut self, arg: &TableArg) {
        match &arg.source {
            TableArgSource::Name { name, hints } => {
                self.put("TABLE ");
                self.object_name(name);
                self.hints(hints);
            }
            TableArgSource::Query(query) => self.paren_query("", query),
            TableArgSource::Function(call) => {
                self.put("TABLE ");
                self.table_function(call);
            }
        }
        match arg.partition_by.as_slice() {
            [] => {}
            [one] => {
                self.put(" PARTITION BY ");
                self.expr(one, 0);
            }
            many => {
                self.put(" PARTITION BY (");
                self.exprs(many);
                self.put(")");
            }
        }
        match arg.order_by.as_slice() {
            [] => {}
            [one] if matches!(one.expr.kind, ExprKind::Identifier(_)) => {
                self.order_by(" ", &arg.order_by)
            }
            many => {
                self.put(" ORDER BY ");
                self.paren_list(many, Self::order_item);
            }
        }
    }

    // ---- windows and hints ----------------------------------------------

    pub(super) fn window_spec(&mut self, spec: &WindowSpec) {
        let mut between = "";
        self.put("(");
        if let Some(base) = &spec.base {
            self.ident(base);
            between = " ";
        }
        if !spec.partition_by.is_empty() {
            self.put(between);
            self.put("PARTITION BY ");
            self.exprs(&spec.partition_by);
            between = " ";
        }
        if !spec.order_by.is_empty() {
            self.order_by(between, &spec.order_by);
            between = " ";
        }
        if let Some(frame) = &spec.frame {
            self.put(between);
            self.window_frame(frame);
        }
        self.put(")");
    }

    fn window_frame(&mut self, frame: &WindowFrame) {
        self.put(if frame.rows { "ROWS " } else { "RANGE " });
        match &frame.end {
            None => self.frame_bound(&frame.start),
            Some(end) => {
                self.put("BETWEEN ");
                self.frame_bound(&frame.start);
                self.put(" AND ");
                self.frame_bound(end);
            }
        }
    }

    fn frame_bound(&mut self, bound: &FrameBound) {
        match bound {
            FrameBound::UnboundedPreceding => self.put("UNBOUNDED PRECEDING"),
            FrameBound::UnboundedFollowing => self.put("UNBOUNDED FOLLOWING"),
            FrameBound::CurrentRow => self.put("CURRENT ROW"),
            FrameBound::Preceding(amount) => {
                self.expr(amount, prec::LIKE + 1);
                self.put(" PRECEDING");
            }
            FrameBound::Following(amount) => {
                self.expr(amount, prec::LIKE + 1);
                self.put(" FOLLOWING");
            }
        }
    }

    /// ` /*+ .. */`, or nothing.
    pub(super) fn hints(&mut self, hints: &[Hint]) {
        if hints.is_empty() {
            return;
        }
        self.put(" /*+ ");
        self.list(hints, |p, hint| {
            p.ident_in_hint(&hint.name);
            if !hint.args.is_empty() {
                p.paren_list(&hint.args, Self::hint_arg);
            }
        });
        self.put(" */");
    }

    fn ident_in_hint(&mut self, name: &Ident) {
        let plain = name.value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        match plain {
            true => self.put(&name.value),
            false => self.put(&super::quote_identifier(&name.value)),
        }
    }

    fn hint_arg(&mut self, arg: &HintArg) {
        match arg {
            HintArg::KeyValue(option) => self.option(option),
            HintArg::Name(name) => self.object_name(name),
            HintArg::Literal(literal) => self.literal(literal),
        }
    }

    // ---- functions of words ---------------------------------------------

    pub(super) fn word_function(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::Cast { try_cast, expr, data_type, format } => {
                self.put(if *try_cast { "TRY_CAST(" } else { "CAST(" });
                self.expr(expr, 0);
                self.put(" AS ");
                self.data_type(data_type);
                if let Some(format) = format {
                    self.put(" FORMAT ");
                    self.string(format);
                }
            }
            ExprKind::Extract { unit, expr } => {
                self.put("EXTRACT(");
                self.put(unit.as_str());
                self.joined(" FROM ", expr);
            }
            ExprKind::Position { needle, haystack, from } => {
                self.put("POSITION(");
                self.expr(needle, prec::LIKE + 1);
                self.joined(" IN ", haystack);
                self.joined_opt(" FROM ", from.as_deref());
            }
            ExprKind::Substring { expr, from, len } => {
                self.joined("SUBSTRING(", expr);
                self.joined(" FROM ", from);
                self.joined_opt(" FOR ", len.as_deref());
            }
            ExprKind::Trim { side, chars, expr } => self.trim(*side, chars.as_deref(), expr),
            ExprKind::Overlay { expr, placing, from, len } => {
                self.joined("OVERLAY(", expr);
                self.joined(" PLACING ", placing);
                self.joined(" FROM ", from);
                self.joined_opt(" FOR ", len.as_deref());
            }
            ExprKind::RoundTo { ceil, expr, unit } => {
                self.put(if *ceil { "CEIL(" } else { "FLOOR(" });
                let open = ends_with_interval(expr);
                self.put_if(open, "(");
                self.expr(expr, 0);
                self.put_if(open, ")");
                self.put(" TO ");
                self.put(unit.as_str());
            }
            ExprKind::TimestampAdd { unit, count, expr } => {
                self.put("TIMESTAMPADD(");
                self.put(unit.as_str());
                self.joined(", ", count);
                self.joined(", ", expr);
            }
            ExprKind::TimestampDiff { unit, from, to } => {
                self.put("TIMESTAMPDIFF(");
                self.put(unit.as_str());
                self.joined(", ", from);
                self.joined(", ", to);
            }
            other => return self.json_function(other),
        }
        self.put(")");
    }

    fn joined(&mut self, word: &str, expr: &Expr) {
        self.put(word);
        self.expr(expr, 0);
    }

    fn joined_opt(&mut self, word: &str, expr: Option<&Expr>) {
        if let Some(expr) = expr {
            self.joined(word, expr);
        }
    }

    fn trim(&mut self, side: Option<TrimSide>, chars: Option<&Expr>, expr: &Expr) {
        self.put("TRIM(");
        match side {
            Some(TrimSide::Both) => self.put("BOTH "),
            Some(TrimSide::Leading) => self.put("LEADING "),
            Some(TrimSide::Trailing) => self.put("TRAILING "),
            None => {}
        }
        if let Some(chars) = chars {
            self.expr(chars, 0);
            self.put(" ");
        }
        self.put_if(side.is_some() || chars.is_some(), "FROM ");
        self.expr(expr, 0);
    }

    // ---- JSON -----------------------------------------------------------

    fn json_function(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::JsonExists { input, path, on_error } => {
                self.json_input("JSON_EXISTS(", input, path);
                if let Some(on_error) = on_error {
                    self.put(exists_behavior(*on_error));
                    self.put(" ON ERROR");
                }
                self.put(")");
            }
            ExprKind::JsonValue { input, path, returning, on_empty, on_error } => {
                self.json_input("JSON_VALUE(", input, path);
                self.returning(returning.as_ref());
                self.value_behavior(on_empty.as_ref(), " ON EMPTY");
                self.value_behavior(on_error.as_ref(), " ON ERROR");
                self.put(")");
            }
            ExprKind::JsonQuery { input, path, returning, wrapper, on_empty, on_error } => {
                self.json_input("JSON_QUERY(", input, path);
                self.returning(returning.as_ref());
                self.put(wrapper.map_or("", wrapper_words));
                self.query_behavior(*on_empty, " ON EMPTY");
                self.query_behavior(*on_error, " ON ERROR");
                self.put(")");
            }
            ExprKind::JsonObject { entries, on_null } => {
                self.put("JSON_OBJECT(");
                self.list(entries, Self::json_entry);
                self.on_null(*on_null, entries.is_empty());
                self.put(")");
            }
            ExprKind::JsonArray { items, on_null } => {
                self.put("JSON_ARRAY(");
                self.exprs(items);
                self.on_null(*on_null, items.is_empty());
                self.put(")");
            }
            ExprKind::JsonObjectAgg { entry, on_null, filter, over } => {
                self.put("JSON_OBJECTAGG(");
                self.json_entry(entry);
                self.on_null(*on_null, false);
                self.put(")");
                self.filter(filter.as_deref());
                self.over(over.as_deref());
            }
            ExprKind::JsonArrayAgg { item, order_by, on_null, filter, over } => {
                self.joined("JSON_ARRAYAGG(", item);
                self.order_by(" ", order_by);
                self.on_null(*on_null, false);
                self.put(")");
                self.filter(filter.as_deref());
                self.over(over.as_deref());
            }
            // Everything else was printed before it came here.
            _ => {}
        }
    }

    fn json_input(&mut self, name: &str, input: &Expr, path: &Expr) {
        self.joined(name, input);
        self.joined(", ", path);
    }

    fn returning(&mut self, data_type: Option<&DataType>) {
        if let Some(data_type) = data_type {
            self.put(" RETURNING ");
            self.data_type(data_type);
        }
    }

    fn value_behavior(&mut self, behavior: Option<&JsonValueBehavior>, on: &str) {
        match behavior {
            None => return,
            Some(JsonValueBehavior::Null) => self.put(" NULL"),
            Some(JsonValueBehavior::Error) => self.put(" ERROR"),
            Some(JsonValueBehavior::Default(expr)) => self.joined(" DEFAULT ", expr),
        }
        self.put(on);
    }

    fn query_behavior(&mut self, behavior: Option<JsonQueryBehavior>, on: &str) {
        self.put(match behavior {
            None => return,
            Some(JsonQueryBehavior::Null) => " NULL",
            Some(JsonQueryBehavior::Error) => " ERROR",
            Some(JsonQueryBehavior::EmptyArray) => " EMPTY ARRAY",
            Some(JsonQueryBehavior::EmptyObject) => " EMPTY OBJECT",
        });
        self.put(on);
    }

    fn json_entry(&mut self, entry: &JsonEntry) {
        self.put("KEY ");
        let outer = std::mem::replace(&mut self.in_json_key, true);
        self.expr(&entry.key, 0);
        self.in_json_key = outer;
        self.joined(" VALUE ", &entry.value);
    }

    fn on_null(&mut self, on_null: Option<JsonOnNull>, first: bool) {
        self.put_if(on_null.is_some() && !first, " ");
        match on_null {
            Some(JsonOnNull::Null) => self.put("NULL ON NULL"),
            Some(JsonOnNull::Absent) => self.put("ABSENT ON NULL"),
            None => {}
        }
    }
}

/// True when the name of a call, written bare, would be read as something
/// else.
fn must_quote(name: &str, call: &FunctionCall) -> bool {
    let is = |word: &&str| word.eq_ignore_ascii_case(name);
    if ["FLOOR", "CEIL", "CEILING"].iter().any(is) {
        return !is_plain_rounding(call);
    }
    SPECIAL.iter().any(is) || super::needs_quotes(name) && !keywords::is_function_word(name)
}

/// True for the calls of FLOOR and CEIL that read back as calls.
fn is_plain_rounding(call: &FunctionCall) -> bool {
    let plain_first =
        matches!(call.args.first(), Some(FunctionArg { name: None, value: ArgValue::Expr(_), .. }));
    plain_first
        && call.quantifier.is_none()
        && call.order_by.is_empty()
        && call.nulls.is_none()
        && call.within_group.is_empty()
        && call.filter.is_none()
        && call.over.is_none()
}

/// True when the text of an expression ends with the unit of an interval,
/// which a TO after it would extend.
fn ends_with_interval(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Literal(Literal::Interval(_))
        | ExprKind::IntervalExpr { .. }
        | ExprKind::TimeDifference { .. } => true,
        ExprKind::Binary { right, .. } => ends_with_interval(right),
        ExprKind::Unary { expr, .. } => ends_with_interval(expr),
        ExprKind::Between { high, .. } => ends_with_interval(high),
        ExprKind::AtTimeZone { zone, .. } => ends_with_interval(zone),
        ExprKind::Like { pattern, escape, .. } => {
            ends_with_interval(escape.as_deref().unwrap_or(pattern))
        }
        _ => false,
    }
}

fn exists_behavior(behavior: JsonExistsOnError) -> &'static str {
    match behavior {
        JsonExistsOnError::True => " TRUE",
        JsonExistsOnError::False => " FALSE",
        JsonExistsOnError::Unknown => " UNKNOWN",
        JsonExistsOnError::Error => " ERROR",
    }
}

fn wrapper_words(wrapper: JsonWrapper) -> &'static str {
    match wrapper {
        JsonWrapper::Without => " WITHOUT ARRAY WRAPPER",
        JsonWrapper::Conditional => " WITH CONDITIONAL ARRAY WRAPPER",
        JsonWrapper::Unconditional => " WITH UNCONDITIONAL ARRAY WRAPPER",
    }
}
