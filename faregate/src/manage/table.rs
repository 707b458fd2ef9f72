//! Answers as tables: columns for lists, a line a member for one thing.

use anyhow::Context;
use csv::StringRecord;
use serde_json::Value;

/// Widest column but the last, in characters.
const WIDTH_MAX: usize = 48;

/// How a list stands in columns: as its first lines say.
pub(super) struct Table {
    /// Places of the columns that are shown.
    columns: Vec<usize>,
    widths: Vec<usize>,
    /// The line of titles, until it is printed.
    titles: Option<Vec<String>>,
    /// Columns that find no room.
    missing: usize,
}

/// The lines of a CSV text, its head first.
pub(super) fn records(text: &str) -> anyhow::Result<Vec<StringRecord>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let rows: Result<Vec<StringRecord>, _> = reader.records().collect();
    rows.context("the list cannot be read")
}

/// Characters in a line of the terminal, where there is one.
pub(super) fn width() -> Option<usize> {
    let terminal = console::Term::stdout();
    let (_, width) = terminal.is_term().then(|| terminal.size_checked()).flatten()?;
    Some(usize::from(width))
}

/// One thing: its members, nested ones by their path, money as people write it. Empty where none of them says anything.
pub(super) fn of_object(value: &Value) -> String {
    let mut lines = Vec::new();
    flatten("", value, &mut lines);
    aligned(&lines.into_iter().map(|(name, text)| vec![name, text]).collect::<Vec<_>>())
}

/// One member of one thing, or of each of a list, a line each: a text as it is, money as it is shown, anything else as JSON.
pub(super) fn field(value: &Value, name: &str) -> anyhow::Result<String> {
    if let Value::Array(rows) = value {
        let lines: anyhow::Result<Vec<String>> = rows.iter().map(|row| field(row, name)).collect();
        return Ok(lines?.join("\n"));
    }
    let member = name.split('.').try_fold(value, |value, part| value.get(part));
    let member = member.with_context(|| format!("the answer has no member {name}"))?;
    let shown = member.as_str().or_else(|| member.get("display")?.as_str());
    Ok(shown.map_or_else(|| member.to_string(), str::to_owned))
}

/// What came of a change of the catalog: a line for each thing that changed, with its old and new price.
pub(super) fn of_changes(outcome: &Value) -> String {
    let changes = outcome["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    if changes.is_empty() {
        return "nothing changes".to_owned();
    }
    let word = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let row = |change: &Value| {
        let differences = change["differences"].as_array().into_iter().flatten();
        let places: Vec<String> = differences.map(|difference| word(&difference["pointer"])).collect();
        let price = match (&change["old_price"], &change["new_price"]) {
            (Value::Null, Value::Null) => String::new(),
            (old, Value::Null) => word(old),
            (Value::Null, new) => word(new),
            (old, new) => format!("{} -> {}", word(old), word(new)),
        };
        vec![word(&change["change"]), word(&change["kind"]), word(&change["name"]), price, places.join(" ")]
    };
    aligned(&changes.iter().map(row).collect::<Vec<_>>())
}

/// Tells whoever reads where a list goes on, beside it.
pub(super) fn say_that_there_is_more(after: Option<&str>) {
    if let Some(after) = after {
        eprintln!("(there is more: --all, a larger --limit, or --after {after})");
    }
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
    let widths = widths(rows);
    rows.iter().map(|row| line(row, &widths)).collect::<Vec<_>>().join("\n")
}

fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| {
        let lengths = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        lengths.max().unwrap_or(0).min(WIDTH_MAX)
    };
    (0..columns).map(widest).collect()
}

fn line(row: &[String], widths: &[usize]) -> String {
    let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

// === impl Table ===

impl Table {
    /// For a list that begins with these lines. Columns in which nothing stands are left out, unless more lines come; those
    /// that are not among the `chosen`, and those at the end that find no room in `width`, are too. Money is shown once, as people write
    /// it.
    pub(super) fn of(
        head: &StringRecord,
        lines: &[StringRecord],
        more: bool,
        width: Option<usize>,
        chosen: Option<&[&str]>,
    ) -> Self {
        let filled = |column: &usize| {
            more || lines.iter().any(|line| !line.get(*column).unwrap_or_default().is_empty())
        };
        let is_shown_beside = |column: &usize| {
            let money = head.get(*column).and_then(|name| name.strip_suffix(".amount"));
            money.is_some_and(|money| head.iter().any(|name| name.strip_suffix(".display") == Some(money)))
        };
        let columns = (0..head.len()).filter(|column| !is_shown_beside(column));
        let mut columns: Vec<usize> = columns.filter(filled).collect();
        let all = columns.len();
        let is_chosen = |column: &usize| {
            chosen.is_none_or(|chosen| chosen.contains(&head.get(*column).unwrap_or_default()))
        };
        columns.retain(is_chosen);
        let title = |column: &usize| {
            head.get(*column).unwrap_or_default().trim_end_matches(".display").to_uppercase()
        };
        let mut titles: Vec<String> = columns.iter().map(title).collect();
        let mut cells = vec![titles.clone()];
        cells.extend(lines.iter().map(|line| of_columns(line, &columns)));
        let mut widths = widths(&cells);
        // Two spaces stand between columns; the first one is shown whatever it takes.
        let ends = widths.iter().scan(0, |end, width| {
            *end += width + 2;
            Some(*end - 2)
        });
        let shown = ends.take_while(|end| width.is_none_or(|width| *end <= width)).count().max(1);
        let missing = all - shown;
        columns.truncate(shown);
        titles.truncate(shown);
        widths.truncate(shown);
        Self { columns, widths, titles: Some(titles), missing }
    }

    /// These lines; the first ones under the titles.
    pub(super) fn rows(&mut self, lines: &[StringRecord]) -> String {
        let titles = self.titles.take().into_iter();
        let rows = titles.chain(lines.iter().map(|row| of_columns(row, &self.columns)));
        rows.map(|row| line(&row, &self.widths)).collect::<Vec<_>>().join("\n")
    }

    /// Tells whoever reads what they do not see, beside the table.
    pub(super) fn say_what_is_missing(&self) {
        if self.missing > 0 {
            eprintln!("({} more columns are not shown here: -o json and --csv have all)", self.missing);
        }
    }
}

fn of_columns(line: &StringRecord, columns: &[usize]) -> Vec<String> {
    columns.iter().map(|column| line.get(*column).unwrap_or_default().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table(text: &str, more: bool, width: Option<usize>) -> (String, usize) {
        let records = records(text).unwrap();
        let mut table = Table::of(&records[0], &records[1..], more, width, None);
        (table.rows(&records[1..]), table.missing)
    }

    #[test]
    fn a_list_keeps_the_columns_in_which_something_stands() {
        let text = "id,owner,balance.display\na,,$1.00\nbbb,,$20.00\n";
        assert_eq!(table(text, false, None).0, "ID   BALANCE\na    $1.00\nbbb  $20.00");
        assert!(table(text, true, None).0.starts_with("ID   OWNER  BALANCE"), "who knows what comes");
    }

    #[test]
    fn money_is_shown_once_as_people_write_it() {
        let text = "net.display,net.amount,fee.amount\n$1.00,1000000,5\n";
        assert_eq!(table(text, true, None).0, "NET    FEE.AMOUNT\n$1.00  5", "what is nowhere else stays");
    }

    #[test]
    fn columns_that_find_no_room_are_left_out_from_the_end() {
        let text = "id,name,place\na,bbbb,cccccc\n";
        assert_eq!(table(text, false, Some(16)), ("ID  NAME  PLACE\na   bbbb  cccccc".to_owned(), 0));
        assert_eq!(table(text, false, Some(15)), ("ID  NAME\na   bbbb".to_owned(), 1));
        assert_eq!(table(text, false, Some(1)), ("ID\na".to_owned(), 2));
    }

    #[test]
    fn columns_that_were_not_chosen_are_left_out() {
        let records = records("id,name,amount.display\na,b,$1.00\n").unwrap();
        let chosen: &[&str] = &["id", "amount.display"];
        let mut table = Table::of(&records[0], &records[1..], false, None, Some(chosen));
        assert_eq!((table.rows(&records[1..]), table.missing), ("ID  AMOUNT\na   $1.00".to_owned(), 1));
    }

    #[test]
    fn a_member_alone_is_plain_text() {
        let row = json!({ "id": "a", "balance": { "display": "$1.00" }, "calls": 5 });
        assert_eq!(field(&row, "balance.display").unwrap(), "$1.00");
        assert_eq!(field(&row, "balance").unwrap(), "$1.00");
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
        assert_eq!(of_object(&json!({ "per_day": null, "limits": [] })), "");
    }
}
