//! Documents as TOML, and back: each key on a line of its own, tables within them inline.
//!
//! The text is what the readers of the configuration file read documents from, and what people export and apply.

use std::fmt::Write;

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::{Document, Mistake, pointer};

/// The keys of a document, as the body of a TOML table. JSON's null has no TOML: see [`nulls`].
pub(crate) fn body(document: &Map<String, Value>) -> String {
    let mut text = String::new();
    for (key, value) in document.iter().filter(|(_, value)| !value.is_null()) {
        write_key(&mut text, key);
        text.push_str(" = ");
        write_value(&mut text, value);
        text.push('\n');
    }
    text
}

/// Every null in a document: a mistake, because a key that says nothing is left out.
pub(crate) fn nulls(document: &Map<String, Value>) -> Vec<Mistake> {
    fn search(at: &str, value: &Value, found: &mut Vec<Mistake>) {
        match value {
            Value::Null => found.push(Mistake::at(at, "must not be null: leave it out")),
            Value::Object(keys) => {
                keys.iter()
                    .for_each(|(key, value)| search(&format!("{at}{}", pointer(&[key])), value, found));
            }
            Value::Array(items) => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(index, value)| search(&format!("{at}/{index}"), value, found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    document.iter().for_each(|(key, value)| search(&pointer(&[key]), value, &mut found));
    found
}

/// A table that was read, as JSON, without some of its keys.
pub(crate) fn document(table: &DeTable<'_>, without: &[&str]) -> Document {
    let mut document = object(table);
    for key in without {
        document.remove(*key);
    }
    Document::new(document)
}

pub(crate) fn object(table: &DeTable<'_>) -> Map<String, Value> {
    table.iter().map(|(key, value)| (key.get_ref().to_string(), json(value.get_ref()))).collect()
}

fn json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::from(number.to_string()), Value::from),
        DeValue::Float(number) => {
            number.as_str().parse::<f64>().map_or_else(|_| Value::from(number.as_str()), Value::from)
        }
        DeValue::Boolean(value) => Value::from(*value),
        DeValue::Datetime(time) => Value::from(time.to_string()),
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect(),
        DeValue::Table(table) => Value::Object(object(table)),
    }
}

fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::String(string) => write_string(text, string),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                write_value(text, item);
            }
            text.push(']');
        }
        Value::Object(keys) => {
            text.push('{');
            for (index, (key, value)) in keys.iter().filter(|(_, value)| !value.is_null()).enumerate() {
                text.push_str(if index == 0 { " " } else { ", " });
                write_key(text, key);
                text.push_str(" = ");
                write_value(text, value);
            }
            text.push_str(" }");
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            // Writing to a string does not fail.
            let _ = write!(text, "{value}");
        }
    }
}

fn write_key(text: &mut String, key: &str) {
    let bare =
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if bare { text.push_str(key) } else { write_string(text, key) }
}

/// JSON's escapes are TOML's too; of what must be escaped, JSON leaves only DEL as it is.
fn write_string(text: &mut String, string: &str) {
    text.push_str(&Value::from(string).to_string().replace('\u{7f}', "\\u007F"));
}
