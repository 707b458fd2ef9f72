//! [`Source`]: the text of a file, and where a byte of it stands for a reader.

use std::path::{Path, PathBuf};

use super::error::{ConfigError, Place};

/// One file's text.
pub(super) struct Source<'a> {
    file: PathBuf,
    text: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
}

// === impl Source ===

impl<'a> Source<'a> {
    pub(super) fn new(file: &Path, text: &'a str) -> Self {
        let after_breaks =
            text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(index, _)| index + 1);
        Self { file: file.to_owned(), text, lines: std::iter::once(0).chain(after_breaks).collect() }
    }

    /// The place of a byte; past the end, of the end.
    pub(super) fn place(&self, offset: usize) -> Place {
        let offset = offset.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        let column = self.text.get(start..offset).map_or(1, |before| before.chars().count() + 1);
        Place::File { file: self.file.clone(), line, column }
    }

    /// What the parser could not read. It has no tree there, so the key is what stands before it in the text.
    pub(super) fn syntax_error(&self, error: &toml::de::Error) -> ConfigError {
        let offset = error.span().map_or(0, |span| span.start);
        ConfigError {
            place: self.place(offset),
            key: self.key_at(offset),
            message: format!(
                "{}; the file is not valid TOML here, correct this first{}",
                error.message(),
                if self.is_bare_word(offset) {
                    ": text stands in quotes, such as price = \"free\""
                } else {
                    ""
                }
            ),
        }
    }

    /// Whether what stands behind the `=` of a byte's line begins like a word.
    fn is_bare_word(&self, offset: usize) -> bool {
        let (before, after) = self.text.split_at_checked(offset).unwrap_or((self.text, ""));
        let line = before.rsplit('\n').next().unwrap_or_default();
        let value = line.split_once('=').map(|(_, value)| value.trim_start());
        let first = value.and_then(|value| value.chars().chain(after.chars()).find(|it| !it.is_whitespace()));
        first.is_some_and(char::is_alphabetic)
    }

    /// The table and the key on whose line a byte stands, as far as they can be told.
    fn key_at(&self, offset: usize) -> String {
        let offset = offset.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        let text = |index: usize| {
            let start = self.lines.get(index).copied().unwrap_or(self.text.len());
            let end = self.lines.get(index + 1).copied().unwrap_or(self.text.len());
            self.text.get(start..end).unwrap_or("").trim()
        };
        let header = (0..line).rev().map(text).find(|line| line.starts_with('[')).unwrap_or("");
        let table = header.trim_start_matches('[').split(']').next().unwrap_or("").trim();
        let key = match text(line - 1).split_once('=') {
            Some((key, _)) if !text(line - 1).starts_with('[') => key.trim(),
            _ => "",
        };
        let (table, key) = (key_like(table), key_like(key));
        match (table.is_empty(), key.is_empty()) {
            (_, true) => table.to_owned(),
            (true, false) => key.to_owned(),
            (false, false) => format!("{table}.{key}"),
        }
    }
}

/// Nothing but what could be one of our keys (`http2` has the only digit): a broken line may hold a piece of
/// a secret.
fn key_like(text: &str) -> &str {
    let ours =
        text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_lowercase() || b"_.2".contains(&byte));
    if ours { text } else { "" }
}
