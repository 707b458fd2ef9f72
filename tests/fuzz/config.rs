//! The configuration file.

use std::path::Path;

use registry::Config;
use registry::config::{ConfigError, Environment, Place};

/// A file is good, or every report says where; nothing panics.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Config::parse(Path::new("fuzzed.toml"), text, &Environment::default()) {
        Ok(loaded) => {
            assert!(loaded.config.catalog.check().is_ok(), "what was accepted can be served");
            assert!(!loaded.config.listeners.data.is_empty());
            loaded.warnings.iter().for_each(|warning| is_placed(warning, text));
        }
        Err(errors) => {
            assert!(errors.iter().len() > 0, "refused without a reason");
            errors.iter().for_each(|error| is_placed(error, text));
        }
    }
}

fn is_placed(error: &ConfigError, text: &str) {
    assert!(!error.message.is_empty(), "{error}");
    assert!(!error.message.contains(['\n', '\r']), "one report, one line: {error:?}");
    let Place::File { line, column, .. } = &error.place else { panic!("not in the file: {error}") };
    let lines: Vec<&str> = text.split('\n').collect();
    assert!((1..=lines.len()).contains(line), "no such line: {error}");
    let longest = lines[line - 1].chars().count() + 1;
    assert!((1..=longest).contains(column), "no such column: {error}");
}
