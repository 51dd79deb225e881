//! Filters of a subscription: `status=eq.running,id=not.in.(1,2)`. All of them must hold.

/// How a column is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Operator {
    Eq,
    Neq,
    Lt,
    Lte,
    Gt,
    Gte,
    In,
    Like,
    Ilike,
    Match,
    Imatch,
    Is,
    IsDistinct,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Filter {
    /// The column's name.
    pub(super) column: String,
    pub(super) operator: Operator,
    /// Whether it must not hold.
    pub(super) negated: bool,
    /// What it is compared with: one value, or those of a list.
    pub(super) values: Vec<String>,
}

/// More than anybody compares at once; each is a statement of its own when it is subscribed to.
const MAX_FILTERS: usize = 20;

/// As many as Realtime takes in one list.
const MAX_VALUES: usize = 100;

impl Operator {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "eq" => Self::Eq,
            "neq" => Self::Neq,
            "lt" => Self::Lt,
            "lte" => Self::Lte,
            "gt" => Self::Gt,
            "gte" => Self::Gte,
            "in" => Self::In,
            "like" => Self::Like,
            "ilike" => Self::Ilike,
            "match" => Self::Match,
            "imatch" => Self::Imatch,
            "is" => Self::Is,
            "isdistinct" => Self::IsDistinct,
            _ => return None,
        })
    }

    /// A comparison of the value `$x`, a text that may be cast, with the parameter `$1`.
    fn sql(self, value: &str, type_: &str) -> String {
        let infix = |symbol: &str| format!("{value}::{type_} {symbol} $1::text::{type_}");
        match self {
            Self::Eq => infix("="),
            Self::Neq => infix("<>"),
            Self::Lt => infix("<"),
            Self::Lte => infix("<="),
            Self::Gt => infix(">"),
            Self::Gte => infix(">="),
            Self::IsDistinct => infix("is distinct from"),
            Self::Like => infix("like"),
            Self::Ilike => infix("ilike"),
            Self::Match => infix("~"),
            Self::Imatch => infix("~*"),
            Self::In => format!("{value}::{type_} = any ($1::text[]::{type_}[])"),
            // The right side is a word of the language, checked when it was parsed.
            Self::Is => {
                let word = format!("{value}::{type_}::text is not distinct from $1::text");
                format!("case when $1::text in ('true', 'false') then {word} else {value} is null end")
            }
        }
    }
}

impl Filter {
    /// The statement that tells which of the values of a column pass: `$1` is what they are compared with, `$2`
    /// the values.
    pub(super) fn statement(&self, type_: &str) -> String {
        let condition = self.operator.sql("given.value", type_);
        let not = if self.negated { "not " } else { "" };
        let given = "unnest($2::text[]) with ordinality as given (value, ordinal)";
        format!("select given.ordinal from {given} where {not}({condition})")
    }

    /// What the value of a text column comes to, where that needs no database.
    pub(super) fn holds_for_text(&self, value: Option<&str>) -> Option<bool> {
        // A comparison with no value is neither true nor false, and does not let the row pass.
        let Some(value) = value else {
            return matches!(self.operator, Operator::Eq | Operator::Neq | Operator::In).then_some(false);
        };
        let holds = match self.operator {
            Operator::Eq | Operator::In => self.values.iter().any(|wanted| wanted == value),
            Operator::Neq => self.values.iter().all(|wanted| wanted != value),
            _ => return None,
        };
        Some(holds != self.negated)
    }
}

/// Reads the filters of a subscription. An error says what is wrong.
pub(super) fn parse(text: &str) -> Result<Vec<Filter>, String> {
    let filters = split(text)?;
    if filters.len() > MAX_FILTERS {
        return Err(format!("too many filters. Maximum {MAX_FILTERS}"));
    }
    filters.into_iter().map(parse_one).collect()
}

fn parse_one(text: &str) -> Result<Filter, String> {
    let wrong = || format!("Error parsing `filter` params: {text:?}; write column=operator.value");
    let (column, rest) = text.split_once('=').ok_or_else(wrong)?;
    let (negated, rest) = match rest.strip_prefix("not.") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let (operator, value) = rest.split_once('.').ok_or_else(wrong)?;
    let operator = Operator::parse(operator).ok_or_else(wrong)?;
    let values = match operator {
        Operator::In => {
            let inner = value.strip_prefix('(').and_then(|value| value.strip_suffix(')'));
            split(inner.ok_or_else(wrong)?)?
                .into_iter()
                .map(unquote)
                .collect()
        }
        _ => vec![unquote(value)],
    };
    if values.len() > MAX_VALUES {
        return Err(format!("too many values for `in` filter. Maximum {MAX_VALUES}"));
    }
    if operator == Operator::Is && !matches!(values[0].as_str(), "null" | "true" | "false" | "unknown") {
        return Err("invalid value for is filter: must be null, true, false, or unknown".to_owned());
    }
    Ok(Filter {
        column: column.to_owned(),
        operator,
        negated,
        values,
    })
}

/// Splits at commas outside of quotes and parentheses.
fn split(text: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut begin, mut depth, mut quoted, mut escaped) = (Vec::new(), 0, 0_u32, false, false);
    for (at, char) in text.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    if quoted || depth > 0 {
        return Err(format!(
            "Error parsing `filter` params: a quote or parenthesis of {text:?} is not closed"
        ));
    }
    parts.push(&text[begin..]);
    Ok(parts)
}

fn unquote(text: &str) -> String {
    let text = text.trim();
    let Some(inner) = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .filter(|_| text.len() > 1)
    else {
        return text.to_owned();
    };
    let mut plain = String::new();
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        plain.push(if char == '\\' {
            chars.next().unwrap_or(char)
        } else {
            char
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(column: &str, operator: Operator, negated: bool, values: &[&str]) -> Filter {
        Filter {
            column: column.to_owned(),
            operator,
            negated,
            values: values.iter().map(|&value| value.to_owned()).collect(),
        }
    }

    #[test]
    fn filters_are_read_as_supabase_js_writes_them() {
        assert_eq!(
            parse(r#"a=eq.b.c,id=not.in.(1,"x,y",3),n="#).map_err(|_| ()),
            Err(()),
            "the last has no operator"
        );
        assert_eq!(
            parse(r#"a=eq.b.c,id=not.in.(1,"x,\"y",3)"#),
            Ok(vec![
                filter("a", Operator::Eq, false, &["b.c"]),
                filter("id", Operator::In, true, &["1", "x,\"y", "3"]),
            ])
        );
        assert_eq!(parse(r#"a=like."%(x"#).map_err(|_| ()), Err(()));
        assert_eq!(parse("a=is.maybe").map_err(|_| ()), Err(()));
        assert!(parse(&["a=eq.1"; MAX_FILTERS].join(",")).is_ok());
        assert!(parse(&["a=eq.1"; MAX_FILTERS + 1].join(",")).is_err());
        assert_eq!(
            parse("a=is.null"),
            Ok(vec![filter("a", Operator::Is, false, &["null"])])
        );
    }

    #[test]
    fn texts_are_compared_without_the_database() {
        let holds = |text: &str, value: Option<&str>| parse(text).expect("a filter")[0].holds_for_text(value);
        assert_eq!(holds("a=eq.x", Some("x")), Some(true));
        assert_eq!(holds("a=eq.x", None), Some(false));
        assert_eq!(holds("a=neq.x", None), Some(false));
        assert_eq!(holds("a=not.in.(x,y)", Some("y")), Some(false));
        assert_eq!(holds("a=in.(x,y)", Some("y")), Some(true));
        assert_eq!(holds("a=gt.x", Some("y")), None);
    }
}
