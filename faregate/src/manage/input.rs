//! [`Input`]: a command line as a call.

use std::io::Read;
use std::path::Path;

use anyhow::Context;
use clap::ArgMatches;
use reqwest::Method;
use serde_json::{Map, Value};

use super::command::WHOLE_BODY;
use super::operation::{Argument, Kind, Member, Operation};
use crate::random;

/// A call that is ready to be made.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Option<Value>,
    pub(super) idempotency_key: Option<String>,
    /// Nothing is to be changed.
    pub(super) dry_run: bool,
    /// How many rows of a list the caller wants.
    pub(super) limit: Option<usize>,
    /// Whether the list is given page by page.
    pub(super) is_paged: bool,
    /// All of a list, as a table.
    pub(super) all: bool,
    /// The one member of the answer that is wanted.
    pub(super) field: Option<String>,
    /// A list as CSV.
    pub(super) csv: bool,
    /// The file that it is written to.
    pub(super) file: Option<String>,
}

// === impl Input ===

impl Input {
    pub(super) fn read(operation: &Operation, matches: &ArgMatches) -> anyhow::Result<Self> {
        let method = Method::from_bytes(operation.method.as_bytes())?;
        let mut path = operation.path.clone();
        for Argument { name, .. } in &operation.arguments {
            let value =
                matches.get_one::<String>(&format!("path:{name}")).context("an argument is missing")?;
            path = path.replace(&format!("{{{name}}}"), &escape(value));
        }
        let is_change = method != Method::GET;
        let dry_run = is_change && matches.get_flag("dry-run");
        let mut query = Vec::new();
        for parameter in &operation.query {
            if parameter.name == "dry_run" {
                query.extend(dry_run.then(|| ("dry_run".to_owned(), "true".to_owned())));
            } else {
                let value = value("query", parameter, matches)?;
                query.extend(value.map(|value| (parameter.name.clone(), plain(&value))));
            }
        }
        let limit = query.iter().find(|(name, _)| name == "limit").map(|(_, rows)| rows.parse());
        let body = operation.body.as_deref().map(|members| body(members, matches)).transpose()?;
        let is_empty = body.as_ref().and_then(Value::as_object).is_some_and(Map::is_empty);
        // A `PUT` replaces all there is: nothing given by oversight would take everything away.
        anyhow::ensure!(
            !(method == Method::PUT && is_empty) || matches.contains_id(WHOLE_BODY),
            "this replaces all there is, and nothing was given: give a flag, or `--body FILE` with {{}} in the file"
        );
        let idempotency_key = if method == Method::POST {
            let given = matches.get_one::<String>("idempotency-key").cloned();
            Some(given.map_or_else(|| random::hex().map(|hex| format!("cli-{hex}")), Ok)?)
        } else {
            None
        };
        let is_list = operation.is_list;
        Ok(Self {
            limit: limit.transpose().context("--limit is how many rows, 1 or more")?,
            is_paged: operation.query.iter().any(|parameter| parameter.name == "after"),
            all: is_list && matches.get_flag("all"),
            field: matches.get_one::<String>("field").cloned(),
            csv: is_list && matches.get_flag("csv"),
            file: if is_list { matches.get_one::<String>("file").cloned() } else { None },
            body,
            idempotency_key,
            dry_run,
            ..Self::of(method, &path, query)
        })
    }

    /// A call of this path, and nothing else.
    pub(super) fn of(method: Method, path: &str, query: Vec<(String, String)>) -> Self {
        Self {
            method,
            path: path.to_owned(),
            query,
            body: None,
            idempotency_key: None,
            dry_run: false,
            limit: None,
            is_paged: false,
            all: false,
            field: None,
            csv: false,
            file: None,
        }
    }

    /// The same, for so many rows behind a cursor.
    pub(super) fn page(&self, rows: Option<usize>, cursor: Option<&str>) -> Self {
        let mut page = self.clone();
        if let Some(rows) = rows {
            page.query.retain(|(name, _)| name != "limit");
            page.query.push(("limit".to_owned(), rows.to_string()));
        }
        if let Some(cursor) = cursor {
            page.query.retain(|(name, _)| name != "after");
            page.query.push(("after".to_owned(), cursor.to_owned()));
        }
        page
    }

    pub(super) fn path_and_query(&self) -> String {
        let pairs: Vec<String> =
            self.query.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
        if pairs.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, pairs.join("&")) }
    }
}

fn body(members: &[Member], matches: &ArgMatches) -> anyhow::Result<Value> {
    let file = matches.get_one::<String>(WHOLE_BODY);
    let mut body = match file {
        Some(file) => read_body(file)?,
        None => Map::new(),
    };
    let mut missing = Vec::new();
    for member in members {
        let Some(value) = value("body", member, matches)? else {
            let outer = match &member.inside {
                None => Some(&body),
                Some(outer) => body.get(outer).and_then(Value::as_object),
            };
            if member.required && outer.is_none_or(|outer| !outer.contains_key(&member.name)) {
                missing.push(format!("--{}", member.name.replace('_', "-")));
            }
            continue;
        };
        match &member.inside {
            None => drop(body.insert(member.name.clone(), value)),
            Some(outer) => {
                let outer = body.entry(outer.clone()).or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(outer) = outer {
                    outer.insert(member.name.clone(), value);
                }
            }
        }
    }
    anyhow::ensure!(missing.is_empty(), "neither in the body nor as a flag: {}", missing.join(", "));
    Ok(Value::Object(body))
}

/// A file, or standard input where it is `-`.
pub(super) fn read_text(file: &str) -> anyhow::Result<String> {
    if file != "-" {
        return std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"));
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    Ok(text)
}

/// An object in a file, or on standard input: TOML where its name ends so, else JSON.
fn read_body(file: &str) -> anyhow::Result<Map<String, Value>> {
    let text = read_text(file)?;
    let is_toml = Path::new(file).extension().is_some_and(|extension| extension == "toml");
    let read: Value = if is_toml {
        toml::from_str(&text).with_context(|| format!("{file} is not TOML"))?
    } else {
        serde_json::from_str(&text).with_context(|| format!("{file} is not JSON"))?
    };
    match read {
        Value::Object(body) => Ok(body),
        _ => anyhow::bail!("{file} must hold an object"),
    }
}

/// What a flag says, if it was given.
fn value(place: &str, member: &Member, matches: &ArgMatches) -> anyhow::Result<Option<Value>> {
    let id = format!("{place}:{}:{}", member.inside.as_deref().unwrap_or_default(), member.name);
    let Some(given) = matches.get_many::<Value>(&id) else { return Ok(None) };
    let mut given: Vec<Value> = given.cloned().collect();
    let is_null = given.iter().any(Value::is_null);
    Ok(match member.kind {
        Kind::Texts | Kind::Numbers if is_null => {
            anyhow::ensure!(given.len() == 1, "--{} is either null or a list", member.name);
            Some(Value::Null)
        }
        Kind::Texts | Kind::Numbers => Some(Value::Array(given)),
        Kind::Text | Kind::Number | Kind::Flag | Kind::Json => given.pop(),
    })
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// RFC 3986: what is not unreserved is escaped, a slash too.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}
