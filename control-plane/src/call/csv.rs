//! Lists as CSV (RFC 4180): columns that never change their place, and no cell that a spreadsheet takes for a formula.

use csv::Writer;
use serde::Serialize;
use serde_json::Value;

use crate::problem::Problem;

/// A row of a list. As CSV it has these columns: names of its JSON members, joined by dots where they are nested.
pub(crate) trait Row: Serialize {
    /// The columns, in order. A list of texts is one column, joined by spaces.
    const COLUMNS: &'static [&'static str];
}

/// Rows as lines, behind a line with the columns' names where `header` says so.
pub(crate) fn write<T: Row>(rows: &[T], header: bool) -> Result<Vec<u8>, Problem> {
    let mut writer = Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| Problem::internal(&error);
    if header {
        writer.write_record(T::COLUMNS).map_err(failed)?;
    }
    for row in rows {
        let row = serde_json::to_value(row).map_err(|error| Problem::internal(&error))?;
        let cells = T::COLUMNS.iter().map(|column| cell(&row, column));
        writer.write_record(cells).map_err(failed)?;
    }
    writer.into_inner().map_err(|error| Problem::internal(error.error()))
}

fn cell(row: &Value, column: &str) -> String {
    let value = column.split('.').try_fold(row, |value, name| value.get(name));
    text(value.unwrap_or(&Value::Null))
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => disarmed(text),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// A spreadsheet runs a cell that begins like a formula: whoever named an agent must not reach whoever opens the file.
fn disarmed(text: &str) -> String {
    // Money below zero as well: `-$1.00`.
    let is_number = text.strip_prefix("-$").unwrap_or(text).parse::<f64>().is_ok();
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Serialize)]
    struct Line(Value);

    impl Row for Line {
        const COLUMNS: &'static [&'static str] = &["id", "amount.display", "names", "gone"];
    }

    #[test]
    fn columns_stand_where_they_are_and_cells_are_no_formulas() {
        let rows = [
            Line(json!({ "id": "a,b", "amount": { "display": "$1.00" }, "names": ["x", "y"], "gone": null })),
            Line(json!({ "id": "=1+1", "amount": null })),
            Line(json!({ "id": "-12", "amount": { "display": "-$1.00" } })),
        ];
        let text = String::from_utf8(write(&rows, true).unwrap()).unwrap();
        assert_eq!(text, "id,amount.display,names,gone\n\"a,b\",$1.00,x y,\n'=1+1,,,\n-12,-$1.00,,\n");
        assert_eq!(write::<Line>(&[], true).unwrap(), b"id,amount.display,names,gone\n");
    }
}
