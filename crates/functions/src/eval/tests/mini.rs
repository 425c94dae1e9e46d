//! A minimal binder for tests: SQL expression text to a typed tree, through the
//! same resolver as the real one. It knows literals, calls, operators, CASE,
//! CAST, constructors and the special syntax of a few functions.

use weir_core::{DataType, TypeKind, Value};

use crate::expr::Expr;
use crate::typing::{
    ArgType, common_type, day_time_interval, decimal_literal_type, integer_literal_type,
    resolve_scalar, year_month_interval,
};

type R<T> = Result<T, String>;

pub(super) fn parse(text: &str) -> R<Expr> {
    let mut p = Mini { tokens: tokens(text), at: 0 };
    let e = p.expr(0)?;
    if p.at == p.tokens.len() { Ok(e) } else { Err(format!("rest at {:?}", p.tokens[p.at])) }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Number(String),
    Text(String),
    Sign(String),
}

fn tokens(text: &str) -> Vec<Token> {
    let c: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut i = 0;
    while i < c.len() {
        let start = i;
        if c[i].is_whitespace() {
            i += 1;
        } else if c[i] == '\'' {
            let mut s = String::new();
            i += 1;
            while c[i] != '\'' || c.get(i + 1) == Some(&'\'') {
                i += usize::from(c[i] == '\'');
                s.push(c[i]);
                i += 1;
            }
            i += 1;
            out.push(Token::Text(s));
        } else if c[i].is_ascii_digit() {
            while i < c.len()
                && (c[i].is_ascii_alphanumeric()
                    || c[i] == '.'
                    || (c[i] == '-' && matches!(c[i - 1], 'e' | 'E')))
            {
                i += 1;
            }
            out.push(Token::Number(c[start..i].iter().collect()));
        } else if c[i].is_alphabetic() || c[i] == '_' {
            while i < c.len() && (c[i].is_alphanumeric() || c[i] == '_') {
                i += 1;
            }
            out.push(Token::Word(c[start..i].iter().collect::<String>().to_uppercase()));
        } else {
            let pair: String = c[i..(i + 2).min(c.len())].iter().collect();
            let n = if matches!(pair.as_str(), "||" | "<>" | "<=" | ">=") { 2 } else { 1 };
            i += n;
            out.push(Token::Sign(c[start..i].iter().collect()));
        }
    }
    out
}

struct Mini {
    tokens: Vec<Token>,
    at: usize,
}

fn literal(value: Value, ty: DataType) -> Expr {
    Expr::literal(value, ty)
}

fn text_literal(s: &str) -> Expr {
    let n = s.chars().count() as u32;
    literal(Value::String(s.into()), DataType::from(TypeKind::Char(n)).not_null())
}

pub(super) fn call(name: &str, args: Vec<Expr>) -> R<Expr> {
    let types: Vec<ArgType<'_>> = args.iter().map(ArgType::expr).collect();
    let sig = resolve_scalar(name, &types).map_err(|e| e.to_string())?;
    let args = args.into_iter().zip(&sig.arg_types).map(|(a, t)| cast_to(a, t)).collect();
    Ok(Expr::call(sig.name, args, sig.return_type))
}

fn cast_to(e: Expr, ty: &DataType) -> Expr {
    if e.ty().same_kind(ty) {
        return e;
    }
    let ty = ty.clone().with_nullable(e.ty().nullable);
    Expr::Cast { arg: Box::new(e), ty, safe: false }
}

impl Mini {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }
    fn sign(&mut self, s: &str) -> bool {
        let hit = self.peek() == Some(&Token::Sign(s.into()));
        self.at += usize::from(hit);
        hit
    }
    fn word(&mut self, w: &str) -> bool {
        let hit = self.peek() == Some(&Token::Word(w.into()));
        self.at += usize::from(hit);
        hit
    }
    fn words(&mut self, phrase: &str) -> bool {
        let start = self.at;
        let hit = phrase.split(' ').all(|w| self.word(w));
        if !hit {
            self.at = start;
        }
        hit
    }
    fn need(&mut self, s: &str) -> R<()> {
        if self.sign(s) || self.word(s) {
            Ok(())
        } else {
            Err(format!("{s} expected at {:?}", self.peek()))
        }
    }
    fn text(&mut self) -> R<String> {
        match self.peek().cloned() {
            Some(Token::Text(s)) => {
                self.at += 1;
                Ok(s)
            }
            other => Err(format!("text expected at {other:?}")),
        }
    }
    fn name(&mut self) -> R<String> {
        match self.peek().cloned() {
            Some(Token::Word(s)) => {
                self.at += 1;
                Ok(s)
            }
            other => Err(format!("word expected at {other:?}")),
        }
    }

    /// Binding strengths: OR 1, AND 2, NOT 3, comparison 4, + 5, * 6, unary 7.
    fn expr(&mut self, min: u8) -> R<Expr> {
        let mut left = if self.word("NOT") {
            let inner = self.expr(3)?;
            call("NOT", vec![inner])?
        } else {
            self.prefix()?
        };
        loop {
            let start = self.at;
            let Some((op, level)) = self.operator() else { break };
            if level < min.max(1) || (level == min && min > 0) {
                self.at = start;
                break;
            }
            left = self.infix(left, &op, level)?;
        }
        Ok(left)
    }

    fn operator(&mut self) -> Option<(String, u8)> {
        for (phrase, level) in [
            ("OR", 1),
            ("AND", 2),
            ("IS NOT DISTINCT FROM", 4),
            ("IS DISTINCT FROM", 4),
            ("IS NOT NULL", 4),
            ("IS NULL", 4),
            ("IS NOT TRUE", 4),
            ("IS TRUE", 4),
            ("IS NOT FALSE", 4),
            ("IS FALSE", 4),
            ("IS NOT UNKNOWN", 4),
            ("IS UNKNOWN", 4),
            ("NOT LIKE", 4),
            ("LIKE", 4),
            ("SIMILAR TO", 4),
            ("OVERLAPS", 4),
        ] {
            if self.words(phrase) {
                return Some((phrase.to_owned(), level));
            }
        }
        for (sign, level) in [
            ("=", 4),
            ("<>", 4),
            ("<=", 4),
            (">=", 4),
            ("<", 4),
            (">", 4),
            ("||", 5),
            ("+", 5),
            ("-", 5),
            ("*", 6),
            ("/", 6),
            ("%", 6),
            ("[", 9),
        ] {
            if self.sign(sign) {
                return Some((sign.to_owned(), level));
            }
        }
        None
    }

    fn infix(&mut self, left: Expr, op: &str, level: u8) -> R<Expr> {
        if op == "[" {
            let index = self.expr(0)?;
            self.need("]")?;
            return call("ITEM", vec![left, index]);
        }
        if op.starts_with("IS ") && !op.contains("DISTINCT") {
            return call(op, vec![left]);
        }
        let right = self.expr(level)?;
        if op == "OVERLAPS" {
            let parts = |e: Expr| match e {
                Expr::Call { args, .. } => args,
                other => vec![other],
            };
            return call(op, parts(left).into_iter().chain(parts(right)).collect());
        }
        if let Some(like) = op.strip_prefix("NOT ") {
            return call("NOT", vec![call(like, vec![left, right])?]);
        }
        let mut args = vec![left, right];
        if op == "LIKE" && self.word("ESCAPE") {
            args.push(text_literal(&self.text()?));
        }
        call(op, args)
    }

    fn prefix(&mut self) -> R<Expr> {
        if self.sign("-") {
            if let Some(Token::Number(n)) = self.peek().cloned() {
                self.at += 1;
                return number(&format!("-{n}"));
            }
            let inner = self.expr(7)?;
            return call("-", vec![inner]);
        }
        if self.sign("(") {
            let first = self.expr(0)?;
            let mut items = vec![first];
            while self.sign(",") {
                items.push(self.expr(0)?);
            }
            self.need(")")?;
            return if items.len() == 1 { Ok(items.remove(0)) } else { call("ROW", items) };
        }
        match self.peek().cloned() {
            Some(Token::Number(n)) => {
                self.at += 1;
                number(&n)
            }
            Some(Token::Text(s)) => {
                self.at += 1;
                Ok(text_literal(&s))
            }
            Some(Token::Word(w)) => {
                self.at += 1;
                self.named(&w)
            }
            other => Err(format!("unexpected {other:?}")),
        }
    }

    fn named(&mut self, w: &str) -> R<Expr> {
        let null = || literal(Value::Null, TypeKind::Null.into());
        match w {
            "TRUE" | "FALSE" => {
                return Ok(literal(Value::Boolean(w == "TRUE"), DataType::boolean().not_null()));
            }
            "NULL" => return Ok(null()),
            "DATE" | "TIME" | "TIMESTAMP" if matches!(self.peek(), Some(Token::Text(_))) => {
                return self.time_literal(w);
            }
            "X" if matches!(self.peek(), Some(Token::Text(_))) => {
                let bytes = hex::decode(self.text()?).map_err(|e| e.to_string())?;
                let ty = DataType::from(TypeKind::Binary(bytes.len() as u32)).not_null();
                return Ok(literal(Value::Bytes(bytes), ty));
            }
            "INTERVAL" => return self.interval(),
            "CAST" | "TRY_CAST" => return self.cast(w == "TRY_CAST"),
            "CASE" => return self.case(),
            "ARRAY" | "MAP" if self.sign("[") => {
                let args = self.list("]")?;
                return call(w, args);
            }
            _ => {}
        }
        self.need("(")?;
        if let Some(args) = self.special(w)? {
            return call(w, args);
        }
        let args = self.list(")")?;
        call(w, args)
    }

    fn list(&mut self, end: &str) -> R<Vec<Expr>> {
        let mut out = Vec::new();
        if self.sign(end) {
            return Ok(out);
        }
        loop {
            out.push(self.expr(0)?);
            if self.sign(end) {
                return Ok(out);
            }
            self.need(",")?;
        }
    }

    /// Functions with keywords between their arguments.
    fn special(&mut self, w: &str) -> R<Option<Vec<Expr>>> {
        let args = match w {
            "EXTRACT" => {
                let unit = text_literal(&self.name()?);
                self.need("FROM")?;
                vec![unit, self.expr(0)?]
            }
            "FLOOR" | "CEIL" => {
                let mut args = vec![self.expr(0)?];
                if self.word("TO") {
                    args.push(text_literal(&self.name()?));
                }
                args
            }
            "TIMESTAMPADD" | "TIMESTAMPDIFF" => {
                let unit = text_literal(&self.name()?);
                self.need(",")?;
                let mut args = vec![unit, self.expr(0)?];
                self.need(",")?;
                args.push(self.expr(0)?);
                args
            }
            "TRIM" => {
                let side = ["BOTH", "LEADING", "TRAILING"].into_iter().find(|s| self.word(s));
                match side {
                    None => vec![self.expr(0)?],
                    Some(side) => {
                        let chars = self.expr(0)?;
                        self.need("FROM")?;
                        vec![text_literal(side), chars, self.expr(0)?]
                    }
                }
            }
            "POSITION" => {
                let needle = self.expr(0)?;
                self.need("IN")?;
                vec![needle, self.expr(0)?]
            }
            "OVERLAY" => {
                let mut args = vec![self.expr(0)?];
                for keyword in ["PLACING", "FROM", "FOR"] {
                    if self.word(keyword) {
                        args.push(self.expr(0)?);
                    }
                }
                args
            }
            "JSON_VALUE" | "JSON_QUERY" | "JSON_EXISTS" => self.json_path(w)?,
            "JSON_OBJECT" | "JSON_ARRAY" => self.json_constructor(w)?,
            _ => return Ok(None),
        };
        self.need(")")?;
        Ok(Some(args))
    }

    fn json_path(&mut self, w: &str) -> R<Vec<Expr>> {
        let mut args = vec![self.expr(0)?];
        self.need(",")?;
        args.push(self.expr(0)?);
        if w == "JSON_EXISTS" {
            if let Some(b) =
                ["TRUE", "FALSE", "UNKNOWN", "ERROR"].into_iter().find(|b| self.word(b))
            {
                self.words("ON ERROR");
                args.push(text_literal(b));
            }
            return Ok(args);
        }
        let ty = if self.word("RETURNING") { self.ty()? } else { DataType::string() };
        let null = literal(Value::Null, ty);
        if w == "JSON_QUERY" {
            let wrapper = if self.words("WITH CONDITIONAL WRAPPER") {
                "CONDITIONAL"
            } else if self.words("WITH WRAPPER") {
                "UNCONDITIONAL"
            } else {
                "WITHOUT"
            };
            let (mut on_empty, mut on_error) = ("NULL", "NULL");
            while let Some(b) =
                ["EMPTY ARRAY", "EMPTY OBJECT", "NULL", "ERROR"].into_iter().find(|b| self.words(b))
            {
                self.need("ON")?;
                if self.word("EMPTY") {
                    on_empty = b
                } else {
                    self.need("ERROR")?;
                    on_error = b
                }
            }
            args.extend([
                null,
                text_literal(wrapper),
                text_literal(on_empty),
                text_literal(on_error),
            ]);
            return Ok(args);
        }
        let mut clauses = [("NULL", null.clone()), ("NULL", null.clone())];
        loop {
            let clause = if self.word("DEFAULT") {
                ("DEFAULT", self.expr(0)?)
            } else if self.word("NULL") {
                ("NULL", null.clone())
            } else if self.word("ERROR") {
                ("ERROR", null.clone())
            } else {
                break;
            };
            self.need("ON")?;
            let slot = usize::from(!self.word("EMPTY"));
            if slot == 1 {
                self.need("ERROR")?;
            }
            clauses[slot] = clause;
        }
        args.push(null);
        for (word, value) in clauses {
            args.extend([text_literal(word), value]);
        }
        Ok(args)
    }

    fn json_constructor(&mut self, w: &str) -> R<Vec<Expr>> {
        let mut args = Vec::new();
        let mut clause = if w == "JSON_OBJECT" { "NULL ON NULL" } else { "ABSENT ON NULL" };
        while self.peek() != Some(&Token::Sign(")".into())) {
            args.push(self.expr(0)?);
            if self.word("VALUE") {
                args.push(self.expr(0)?);
            }
            if let Some(c) = ["NULL ON NULL", "ABSENT ON NULL"].into_iter().find(|c| self.words(c))
            {
                clause = c;
            }
            self.sign(",");
        }
        args.push(text_literal(clause));
        Ok(args)
    }

    fn time_literal(&mut self, w: &str) -> R<Expr> {
        let text = self.text()?;
        let digits = text.split_once('.').map_or(0, |(_, f)| f.len() as u8);
        let ty: DataType = match w {
            "DATE" => TypeKind::Date.into(),
            "TIME" => TypeKind::Time(0).into(),
            _ => DataType::timestamp(digits),
        };
        let e = Expr::Cast {
            arg: Box::new(text_literal(&text)),
            ty: ty.clone().not_null(),
            safe: false,
        };
        Ok(e)
    }

    fn interval(&mut self) -> R<Expr> {
        let n: i64 = self.text()?.parse().map_err(|_| "interval")?;
        let unit = self.name()?;
        let (ty, value) = match unit.as_str() {
            "YEAR" => (year_month_interval(), Value::Months(12 * n as i32)),
            "MONTH" => (year_month_interval(), Value::Months(n as i32)),
            "DAY" => (day_time_interval(), Value::Millis(n * 86_400_000)),
            "HOUR" => (day_time_interval(), Value::Millis(n * 3_600_000)),
            "MINUTE" => (day_time_interval(), Value::Millis(n * 60_000)),
            _ => (day_time_interval(), Value::Millis(n * 1000)),
        };
        Ok(literal(value, ty.not_null()))
    }

    fn cast(&mut self, safe: bool) -> R<Expr> {
        self.need("(")?;
        let arg = self.expr(0)?;
        self.need("AS")?;
        let ty = self.ty()?;
        self.need(")")?;
        if !crate::explicit_cast_allowed(arg.ty(), &ty) {
            return Err(format!("no cast from {} to {ty}", arg.ty()));
        }
        let nullable = safe || arg.ty().nullable || arg.ty().kind == TypeKind::Null;
        Ok(Expr::Cast { arg: Box::new(arg), ty: ty.with_nullable(nullable), safe })
    }

    fn ty(&mut self) -> R<DataType> {
        let name = self.name()?;
        if name == "ARRAY" {
            self.need("<")?;
            let e = self.ty()?;
            self.need(">")?;
            return Ok(TypeKind::Array(Box::new(e)).into());
        }
        let mut n = Vec::new();
        if self.sign("(") {
            while !self.sign(")") {
                if let Some(Token::Number(x)) = self.peek() {
                    n.push(x.parse::<u32>().map_err(|e| e.to_string())?);
                }
                self.at += 1;
            }
        }
        let size = |i: usize, default: u32| n.get(i).copied().unwrap_or(default);
        Ok(match name.as_str() {
            "STRING" => DataType::string(),
            "BYTES" => DataType::bytes(),
            "CHAR" => TypeKind::Char(size(0, 1)).into(),
            "VARCHAR" => TypeKind::Varchar(size(0, 1)).into(),
            "BINARY" => TypeKind::Binary(size(0, 1)).into(),
            "BOOLEAN" => DataType::boolean(),
            "TINYINT" => TypeKind::TinyInt.into(),
            "SMALLINT" => TypeKind::SmallInt.into(),
            "INT" => DataType::int(),
            "BIGINT" => DataType::bigint(),
            "FLOAT" => TypeKind::Float.into(),
            "DOUBLE" => DataType::double(),
            "DECIMAL" => DataType::decimal(size(0, 10) as u8, size(1, 0) as u8),
            "DATE" => TypeKind::Date.into(),
            "TIME" => TypeKind::Time(0).into(),
            "TIMESTAMP" => DataType::timestamp(size(0, 6) as u8),
            "TIMESTAMP_LTZ" => DataType::timestamp_ltz(size(0, 6) as u8),
            other => return Err(format!("unknown type {other}")),
        })
    }

    fn case(&mut self) -> R<Expr> {
        let mut branches = Vec::new();
        while self.word("WHEN") {
            let condition = self.expr(0)?;
            self.need("THEN")?;
            branches.push((condition, self.expr(0)?));
        }
        let otherwise = if self.word("ELSE") {
            self.expr(0)?
        } else {
            literal(Value::Null, TypeKind::Null.into())
        };
        self.need("END")?;
        let types: Vec<DataType> =
            branches.iter().map(|(_, r)| r.ty().clone()).chain([otherwise.ty().clone()]).collect();
        let ty = common_type(&types).ok_or("no common type")?;
        Ok(Expr::Case {
            branches: branches.into_iter().map(|(c, r)| (c, cast_to(r, &ty))).collect(),
            otherwise: Box::new(cast_to(otherwise, &ty)),
            ty,
        })
    }
}

fn number(n: &str) -> R<Expr> {
    if n.contains(['e', 'E']) {
        let x = n.parse().map_err(|_| "double")?;
        return Ok(literal(Value::Double(x), DataType::double().not_null()));
    }
    if n.contains('.') {
        let ty = decimal_literal_type(n).map_err(|e| e.to_string())?;
        let x = n.replace('.', "").parse().map_err(|_| "decimal")?;
        return Ok(literal(Value::Decimal(x), ty));
    }
    let x: i64 = n.parse().map_err(|_| "integer")?;
    Ok(literal(Value::Int(x), integer_literal_type(x)))
}
