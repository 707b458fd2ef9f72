//! `faregate check`: every mistake of a configuration at once, for people, editors and pipelines.

use clap::Args;
use registry::config::{ConfigError, Loaded, Place};
use serde_json::{Value, json};

use crate::config_file::ConfigFile;
use crate::output::{Format, Verdict, print_json, print_text};

/// What to check.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
}

/// Reads nothing but the file, the files it names and the environment. Starts nothing.
pub(crate) fn execute(arguments: &Arguments, format: Format) -> Verdict {
    let loaded = arguments.config.load();
    let errors: Vec<&ConfigError> =
        loaded.as_ref().err().into_iter().flat_map(|errors| errors.iter()).collect();
    let warnings = loaded.as_ref().map_or(&[][..], |loaded| &loaded.warnings);
    match format {
        Format::Json => print_json(&json!({
            "ok": loaded.is_ok(),
            "errors": errors.iter().map(|error| object(error)).collect::<Vec<_>>(),
            "warnings": warnings.iter().map(object).collect::<Vec<_>>(),
        })),
        Format::Text => {
            let lines = errors.iter().map(ToString::to_string);
            let lines = lines.chain(warnings.iter().map(|warning| format!("warning: {warning}")));
            let last = match &loaded {
                Ok(loaded) => summary(arguments, loaded),
                Err(errors) if errors.iter().len() == 1 => "1 mistake".to_owned(),
                Err(errors) => format!("{} mistakes", errors.iter().len()),
            };
            print_text(&lines.chain([last]).collect::<Vec<_>>().join("\n"));
        }
    }
    loaded.is_ok().into()
}

fn summary(arguments: &Arguments, loaded: &Loaded) -> String {
    let catalog = &loaded.config.catalog;
    let (providers, routes, agents) =
        (catalog.providers.len(), catalog.routes.len(), loaded.config.agents.len());
    let file = arguments.config.path.display();
    format!("{file}: ok (providers: {providers}, routes: {routes}, agents: {agents})")
}

fn object(error: &ConfigError) -> Value {
    let place = match &error.place {
        Place::File { file, line, column } => json!({ "file": file, "line": line, "column": column }),
        Place::Environment { variable } => json!({ "variable": variable }),
    };
    let mut object = place;
    object["key"] = json!(error.key);
    object["message"] = json!(error.message);
    object
}

#[cfg(test)]
mod tests;
