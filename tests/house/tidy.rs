//! Small things that a reader of the sources relies on: short files, short functions, a first line that says what for.

use std::path::{Path, PathBuf};

use crate::root;

/// Lines of a file.
const FILE_LINES_MAX: usize = 400;

/// Lines of a function, signature and closing brace included.
const FUNCTION_LINES_MAX: usize = 70;

/// Written in two parts, so that this file does not find itself.
const LEFTOVERS: [&str; 4] =
    [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("dbg", "!("), concat!("#[ig", "nore")];

const PANICS: [&str; 2] = [concat!(".unwr", "ap()"), concat!(".exp", "ect(")];

/// One source file.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

#[test]
fn no_file_is_longer_than_400_lines() {
    let long = |source: &Source| {
        let lines = source.text.lines().count();
        (lines > FILE_LINES_MAX).then(|| format!("{}: {lines} lines", source.path))
    };
    expect_none(long);
}

#[test]
fn no_function_is_longer_than_70_lines() {
    expect_none(|source| {
        let long: Vec<_> =
            functions(&source.text).into_iter().filter(|(_, lines)| *lines > FUNCTION_LINES_MAX).collect();
        (!long.is_empty()).then(|| format!("{}: {long:?}", source.path))
    });
}

#[test]
fn every_file_begins_by_saying_what_it_is_for() {
    expect_none(|source| {
        let is_test = Path::new(&source.path).file_name().is_some_and(|name| name == "tests.rs");
        (!is_test && !source.text.starts_with("//!")).then(|| source.path.clone())
    });
}

#[test]
fn nothing_is_left_undone() {
    expect_none(|source| {
        let left: Vec<_> = LEFTOVERS.iter().filter(|word| source.text.contains(**word)).collect();
        (!left.is_empty()).then(|| format!("{}: {left:?}", source.path))
    });
}

#[test]
fn the_product_does_not_panic_on_purpose() {
    let test_only = test_only_files();
    expect_none(|source| {
        let place = format!("/{}", source.path);
        let in_tests = place.contains("/tests/") || place.ends_with("/tests.rs");
        if in_tests || test_only.contains(&source.path) {
            return None;
        }
        let product = source.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = product.lines().enumerate();
        let found: Vec<usize> = lines
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .filter(|(_, line)| PANICS.iter().any(|word| line.contains(word)))
            .map(|(index, _)| index + 1)
            .collect();
        (!found.is_empty()).then(|| format!("{}: lines {found:?}", source.path))
    });
}

#[test]
fn the_scan_finds_the_length_of_a_function() {
    let text =
        "fn a() {\n    b();\n}\n\n    pub async fn c(\n        d: u8,\n    ) {\n    }\nfn e();\nfn f() {}\n";
    let found = functions(text);
    assert_eq!(found, [("a".to_owned(), 3), ("c".to_owned(), 4), ("f".to_owned(), 1)]);
}

/// Files of modules that are declared for tests only.
fn test_only_files() -> Vec<String> {
    let mut found = Vec::new();
    for Source { path, text } in sources() {
        let lines: Vec<&str> = text.lines().collect();
        let declared = lines.windows(2).filter(|pair| pair[0].trim() == "#[cfg(test)]");
        let names = declared.filter_map(|pair| pair[1].trim().strip_prefix("mod ")?.strip_suffix(';'));
        let folder = path.strip_suffix("/lib.rs").or_else(|| path.strip_suffix("/main.rs"));
        let folder = folder.unwrap_or_else(|| path.trim_end_matches(".rs"));
        found.extend(names.map(|name| format!("{folder}/{name}.rs")));
    }
    found
}

/// Names and lengths. A function ends at the first brace that closes at its own indentation: rustfmt sees to that.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let body = line.trim_start();
        let Some(name) = function_name(body) else { continue };
        let indentation = &line[..line.len() - body.len()];
        let (brace, parenthesis) = (format!("{indentation}}}"), format!("{indentation})"));
        if body.ends_with(';') {
            continue;
        }
        let is_whole = body.ends_with('}') && body.matches('{').count() == body.matches('}').count();
        let end = if is_whole {
            start
        } else {
            let ends =
                |line: &&str| **line == brace || (line.starts_with(&parenthesis) && line.ends_with(';'));
            let Some(length) = lines[start + 1..].iter().position(ends) else { continue };
            start + 1 + length
        };
        found.push((name.to_owned(), end - start + 1));
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let mut rest = line;
    for word in ["pub ", "pub(crate) ", "pub(super) ", "const ", "async ", "extern \"C\" "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    rest.strip_prefix("fn ")?.split(['(', '<']).next()
}

fn expect_none(complaint: impl Fn(&Source) -> Option<String>) {
    let complaints: Vec<String> = sources().iter().filter_map(complaint).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// Every Rust source of the workspace. Not asked of git: a release tarball has none.
pub(crate) fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    collect(&root(), &mut found);
    assert!(found.len() > 50, "the scan must find the sources");
    found.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a source");
        let path = path.strip_prefix(root()).expect("inside the workspace").display().to_string();
        Source { path, text }
    };
    found.into_iter().map(read).collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                collect(&path, found);
            }
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}
