//! Answers as tables: columns for lists, a line a member for one thing.

use anyhow::Context;
use serde_json::Value;

/// Widest column but the last, in characters.
const WIDTH_MAX: usize = 48;

/// A list, from its CSV. Columns in which nothing stands are left out.
pub(super) fn of_csv(text: &str) -> anyhow::Result<String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let rows: Result<Vec<csv::StringRecord>, _> = reader.records().collect();
    let rows = rows.context("the list cannot be read")?;
    let Some((head, lines)) = rows.split_first() else { return Ok(String::new()) };
    if lines.is_empty() {
        return Ok("(nothing)".to_owned());
    }
    let filled = |column: &usize| lines.iter().any(|line| !line.get(*column).unwrap_or_default().is_empty());
    let columns: Vec<usize> = (0..head.len()).filter(filled).collect();
    let title =
        |column: usize| head.get(column).unwrap_or_default().trim_end_matches(".display").to_uppercase();
    let mut cells: Vec<Vec<String>> = vec![columns.iter().map(|column| title(*column)).collect()];
    for line in lines {
        cells.push(columns.iter().map(|column| line.get(*column).unwrap_or_default().to_owned()).collect());
    }
    Ok(aligned(&cells))
}

/// One thing: its members, nested ones by their path, money as people write it.
pub(super) fn of_object(value: &Value) -> String {
    let mut lines = Vec::new();
    flatten("", value, &mut lines);
    if lines.is_empty() {
        return "done".to_owned();
    }
    aligned(&lines.into_iter().map(|(name, text)| vec![name, text]).collect::<Vec<_>>())
}

/// One member of one thing, or of each of a list, a line each: a text as it is, anything else as JSON.
pub(super) fn field(value: &Value, name: &str) -> anyhow::Result<String> {
    if let Value::Array(rows) = value {
        let lines: anyhow::Result<Vec<String>> = rows.iter().map(|row| field(row, name)).collect();
        return Ok(lines?.join("\n"));
    }
    let member = name.split('.').try_fold(value, |value, part| value.get(part));
    let member = member.with_context(|| format!("the answer has no member {name}"))?;
    Ok(member.as_str().map_or_else(|| member.to_string(), str::to_owned))
}

fn flatten(name: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    let below = |member: &str| if name.is_empty() { member.to_owned() } else { format!("{name}.{member}") };
    match value {
        Value::Null => {}
        Value::Object(members) => match (members.get("display"), members.get("asset")) {
            (Some(Value::String(display)), Some(_)) => lines.push((name.to_owned(), display.clone())),
            _ => members.iter().for_each(|(member, value)| flatten(&below(member), value, lines)),
        },
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            if !texts.is_empty() {
                lines.push((name.to_owned(), texts.join(" ")));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                flatten(&below(&index.to_string()), item, lines);
            }
        }
        Value::String(text) => lines.push((name.to_owned(), text.clone())),
        other => lines.push((name.to_owned(), other.to_string())),
    }
}

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| {
        let lengths = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        lengths.max().unwrap_or(0).min(WIDTH_MAX)
    };
    let widths: Vec<usize> = (0..columns).map(widest).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_keeps_the_columns_in_which_something_stands() {
        let table = of_csv("id,owner,balance.display\na,,$1.00\nbbb,,$20.00\n").unwrap();
        assert_eq!(table, "ID   BALANCE\na    $1.00\nbbb  $20.00");
        assert_eq!(of_csv("id,owner\n").unwrap(), "(nothing)");
    }

    #[test]
    fn a_member_alone_is_plain_text() {
        let row = json!({ "id": "a", "balance": { "display": "$1.00" }, "calls": 5 });
        assert_eq!(field(&row, "balance.display").unwrap(), "$1.00");
        assert_eq!(field(&json!([row, row]), "id").unwrap(), "a\na");
        assert_eq!(field(&row, "calls").unwrap(), "5");
        let missing = field(&row, "balance.amount").unwrap_err().to_string();
        assert_eq!(missing, "the answer has no member balance.amount");
    }

    #[test]
    fn one_thing_is_a_line_a_member() {
        let money = json!({ "amount": "1", "asset": "x", "display": "$0.000001" });
        let value = json!({ "id": "a", "policy": { "per_day": money, "routes": ["x", "y"] }, "owner": null });
        assert_eq!(of_object(&value), "id              a\npolicy.per_day  $0.000001\npolicy.routes   x y");
        assert_eq!(of_object(&Value::Null), "done");
    }
}
