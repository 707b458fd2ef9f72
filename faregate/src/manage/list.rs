//! Lists on the command line: a table of one page or all, all as JSON, or all as CSV; printed, or written to a file.
//!
//! Nothing is kept but the page at hand: a list may be longer than memory.

use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use csv::StringRecord;
use reqwest::header::ACCEPT;
use serde_json::Value;

use super::Api;
use super::input::Input;
use super::refusal::Refusal;
use super::table::{self, Table};
use crate::client;
use crate::output::Format;
use crate::progress::Progress;

/// Rows of a table where nobody says.
const TABLE_ROWS: usize = 50;

/// Rows that are asked for at once: as many as the API gives.
const PAGE_ROWS: usize = 500;

/// The longest that an export may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// The API ends a stream before.
const STREAM_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// Says in an answer's head where the next page begins.
const NEXT: &str = "faregate-next";

/// The columns of a table of what has too many for one. CSV and JSON have all.
fn chosen(path: &str) -> Option<&'static [&'static str]> {
    let of_payments: &[&str] = &[
        "id",
        "captured_at",
        "state",
        "provider",
        "route",
        "amount.display",
        "refunded.display",
        "on_chain.network",
        "on_chain.payer",
    ];
    (path == "/v1/payments").then_some(of_payments)
}

/// Prints a list as it was asked for.
pub(super) async fn print(api: &Api, input: &Input, format: Format) -> anyhow::Result<()> {
    if let Some(name) = &input.field {
        let line = |row: &Value| Ok(table::field(row, name)? + "\n");
        return pages(api, input, line).await?.keep();
    }
    match format {
        _ if input.csv => export(api, input).await,
        Format::Json => json(api, input).await,
        Format::Text => table(api, input).await,
    }
}

/// One array on one line: every page, or the one that was asked for.
async fn json(api: &Api, input: &Input) -> anyhow::Result<()> {
    let mut separator = "[";
    let mut out =
        pages(api, input, |row| Ok(format!("{}{row}", std::mem::replace(&mut separator, ",")))).await?;
    out.write(if separator == "[" { b"[]\n" } else { b"]\n" })?;
    out.keep()
}

/// Writes a text for each row of every page, or of the one that was asked for.
async fn pages(
    api: &Api,
    input: &Input,
    mut text: impl FnMut(&Value) -> anyhow::Result<String>,
) -> anyhow::Result<Out> {
    let mut out = Out::of(input)?;
    let mut after: Option<String> = None;
    loop {
        let asked = input.limit.or_else(|| input.is_paged.then_some(PAGE_ROWS));
        let page = api.ask(&input.page(asked, after.as_deref())).await?;
        let rows = page["data"].as_array().into_iter().flatten();
        let texts: anyhow::Result<String> = rows.map(&mut text).collect();
        out.write(texts?.as_bytes())?;
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() || input.limit.is_some() || out.is_gone {
            table::say_that_there_is_more(after.as_deref().filter(|_| !out.is_gone));
            return Ok(out);
        }
    }
}

/// A page of rows, or all of them. A page that the API gives may be short: it is asked on until there are enough.
async fn table(api: &Api, input: &Input) -> anyhow::Result<()> {
    let wanted = if input.all { usize::MAX } else { input.limit.unwrap_or(TABLE_ROWS) };
    let mut after: Option<String> = None;
    let (mut lines, mut shown): (Vec<StringRecord>, usize) = (Vec::new(), 0);
    let mut printed: Option<Table> = None;
    let mut out = Out::of(input)?;
    let width = if input.file.is_some() { None } else { table::width() };
    loop {
        let asked = input.is_paged.then_some((wanted - shown - lines.len()).min(PAGE_ROWS)).or(input.limit);
        let (text, next) = csv_page(api, &input.page(asked, after.as_deref())).await?;
        let mut records = table::records(&text)?.into_iter();
        let head = records.next().unwrap_or_default();
        lines.extend(records);
        after = next;
        let is_enough = after.is_none() || shown + lines.len() >= wanted;
        // The first lines say how wide the columns are.
        if !lines.is_empty() && (is_enough || input.all) {
            shown += lines.len();
            let table = printed
                .get_or_insert_with(|| Table::of(&head, &lines, input.all, width, chosen(&input.path)));
            out.write((table.rows(&std::mem::take(&mut lines)) + "\n").as_bytes())?;
        }
        if is_enough || out.is_gone {
            break;
        }
    }
    match printed {
        None => out.write(b"(nothing)\n")?,
        Some(table) => table.say_what_is_missing(),
    }
    table::say_that_there_is_more(after.as_deref().filter(|_| !out.is_gone));
    out.keep()
}

/// All of it, as it comes.
async fn export(api: &Api, input: &Input) -> anyhow::Result<()> {
    let request = api.request(input).header(ACCEPT, "text/csv").timeout(EXPORT_TIMEOUT);
    let mut response = request.send().await.context(client::UNREACHABLE)?;
    if !response.status().is_success() {
        return Err(Refusal::read(response, &api.token).await.into());
    }
    let mut out = Out::of(input)?;
    let mut progress = Progress::of("lines");
    let broken = "the management API broke off: what came is not the whole list";
    while let Some(bytes) = response.chunk().await.context(broken)? {
        out.write(&bytes)?;
        progress.add(bytes.iter().filter(|byte| **byte == b'\n').count() as u64);
        if out.is_gone {
            break;
        }
    }
    let lines = progress.done();
    drop(progress);
    out.keep()?;
    if let Some(file) = &input.file {
        eprintln!("faregate: {file}: {lines} lines");
    }
    Ok(())
}

/// Events as they come, until the API ends it: as they are, or as one object on a line each.
pub(super) async fn follow(api: &Api, input: &Input, format: Format) -> anyhow::Result<()> {
    let request = api.request(input).header(ACCEPT, "text/event-stream").timeout(STREAM_TIMEOUT);
    let mut response = request.send().await.context(client::UNREACHABLE)?;
    if !response.status().is_success() {
        return Err(Refusal::read(response, &api.token).await.into());
    }
    let (mut out, mut rest) = (Out::of(input)?, Vec::new());
    while let Some(bytes) = response.chunk().await.context("the management API broke off")? {
        rest.extend_from_slice(&bytes);
        let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines: Vec<u8> = rest.drain(..whole).collect();
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            match (format, line.strip_prefix(b"data: ")) {
                (Format::Text, _) => out.write(line)?,
                (Format::Json, Some(object)) => out.write(object)?,
                (Format::Json, None) => {}
            }
        }
        if out.is_gone {
            break;
        }
    }
    Ok(())
}

/// One page as CSV, and where the next one begins.
async fn csv_page(api: &Api, input: &Input) -> anyhow::Result<(String, Option<String>)> {
    let request = api.request(input).header(ACCEPT, "text/csv");
    let response = request.send().await.context(client::UNREACHABLE)?;
    if !response.status().is_success() {
        return Err(Refusal::read(response, &api.token).await.into());
    }
    let next = response.headers().get(NEXT).and_then(|next| next.to_str().ok()).map(str::to_owned);
    let text = response.text().await.context("the management API broke off")?;
    Ok((text, next))
}

/// Where a list goes. A file gets its name when it is whole.
struct Out {
    file: Option<(tempfile::NamedTempFile, String)>,
    /// Whoever read standard output has left.
    is_gone: bool,
}

// === impl Out ===

impl Out {
    /// The file that is named, or standard output.
    fn of(input: &Input) -> anyhow::Result<Self> {
        let Some(path) = &input.file else { return Ok(Self { file: None, is_gone: false }) };
        let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty());
        let file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")));
        let file = file.with_context(|| format!("cannot write beside {path}"))?;
        Ok(Self { file: Some((file, path.clone())), is_gone: false })
    }

    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let written = match &mut self.file {
            Some((file, _)) => file.write_all(bytes),
            None => io::stdout().lock().write_all(bytes).and_then(|()| io::stdout().flush()),
        };
        match written {
            Err(error) if self.file.is_none() && error.kind() == ErrorKind::BrokenPipe => {
                self.is_gone = true;
                Ok(())
            }
            written => written.context("the list cannot be written"),
        }
    }

    fn keep(self) -> anyhow::Result<()> {
        let Some((file, path)) = self.file else { return Ok(()) };
        file.persist(&path).map(drop).with_context(|| format!("cannot write {path}"))
    }
}
