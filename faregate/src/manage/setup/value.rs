//! Values of a setup as people write them: money, moments, and tables as TOML.

use std::fmt;

use domain::{Address, Amount, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use toml::value::Datetime;

/// Members that stand before the others of a table, in this order.
const FIRST: [&str; 4] = ["name", "agent", "url", "provider"];

/// Money: `$1` and `$1.00` are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Dollars(pub(super) Amount);

/// A moment: `2027-01-31T00:00:00Z` and the same in another offset are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "Written", into = "String")]
pub(super) struct Moment(pub(super) UnixMillis);

/// A moment in quotes, or as TOML has it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Date(Datetime),
}

/// An address that signs: `0x` and 40 hexadecimal digits, in any case the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Signer(Address);

/// What the API shows of a thing as a file has it: money as people write it, and only these members, where they say something.
pub(super) fn shown(view: &Value, members: &[&str]) -> Map<String, Value> {
    let said = members.iter().filter_map(|name| Some((*name, view.get(*name)?)));
    let said = said.filter(|(_, value)| !value.is_null());
    said.map(|(name, value)| (name.to_owned(), written(value))).collect()
}

/// Money by what people write, at any depth, and everything else as it is.
fn written(value: &Value) -> Value {
    match value {
        Value::Object(members) => match (members.get("display"), members.get("asset")) {
            (Some(display), Some(_)) => display.clone(),
            _ => members.iter().map(|(name, value)| (name.clone(), written(value))).collect(),
        },
        Value::Array(items) => items.iter().map(written).collect(),
        other => other.clone(),
    }
}

/// `[[kind]]` with what a document says, a line each.
pub(super) fn table(kind: &str, document: &impl Serialize) -> anyhow::Result<String> {
    let Value::Object(members) = serde_json::to_value(document)? else {
        anyhow::bail!("{kind} has no members")
    };
    let mut said: Vec<(&String, &Value)> = members.iter().filter(|(_, value)| !value.is_null()).collect();
    said.sort_by_key(|(name, _)| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len()));
    let lines = said.into_iter().map(|(name, value)| format!("{name} = {}\n", inline(value)));
    Ok(format!("[[{kind}]]\n{}\n", lines.collect::<String>()))
}

/// A value as TOML on one line. What JSON escapes in a text, TOML reads.
fn inline(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{} = {}", key(name), inline(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn key(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let bare = !name.is_empty() && name.bytes().all(is_bare);
    if bare { name.to_owned() } else { Value::from(name).to_string() }
}

/// A word of a command line, as a shell reads it.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@%+=".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

// === impl Dollars ===

impl TryFrom<String> for Dollars {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Amount::parse_dollars(&text).map(Self).map_err(|error| error.to_string())
    }
}

impl From<Dollars> for String {
    fn from(dollars: Dollars) -> Self {
        dollars.0.to_string()
    }
}

impl fmt::Display for Dollars {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

// === impl Moment ===

impl TryFrom<Written> for Moment {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, &'static str> {
        let text = match written {
            Written::Text(text) => text,
            Written::Date(date) => date.to_string(),
        };
        UnixMillis::parse(&text).map(Self).ok_or("must be RFC 3339, such as 2027-01-31T00:00:00Z")
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.0.to_string()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

// === impl Signer ===

impl TryFrom<String> for Signer {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let address = text.parse().ok().filter(|_| text.len() == 42 && text.starts_with("0x"));
        address.map(Self).ok_or("must be an address: 0x and 40 hexadecimal digits")
    }
}

impl From<Signer> for String {
    fn from(signer: Signer) -> Self {
        signer.to_string()
    }
}

impl fmt::Display for Signer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.to_checksum(None))
    }
}
