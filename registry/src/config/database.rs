//! Reads `[data]`: which database, whether its URL can be meant, and how it is looked after.
//!
//! The URL holds a password: no message repeats any part of it but names of schemes and parameters.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use domain::Secret;
use sqlx::postgres::PgConnectOptions;

use super::key_path::{did_you_mean, printable};
use super::section::{duration, secret_file};
use super::settings::{Coordination, DataCare};
use super::tree::Section;
use crate::database::Database;

/// Where SQLite's files are when nothing is said.
const DIRECTORY: &str = "data";

/// What a URL may begin with.
const SCHEMES: [&str; 2] = ["postgres", "postgresql"];

/// What it may say after `?`. Others are passed over without a word by the driver, `sslmod=require` too.
const PARAMETERS: [&str; 17] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "options",
];

/// Longest time between two audits.
const AUDIT_INTERVAL_MAX: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// Shortest and longest time for which events are kept. Webhooks are tried again for a day.
const EVENTS_KEPT_MIN: Duration = Duration::from_secs(2 * 24 * 60 * 60);
const EVENTS_KEPT_MAX: Duration = Duration::from_secs(3_660 * 24 * 60 * 60);

pub(super) fn data(section: Section<'_>) -> (Database, DataCare) {
    let directory = section.item("directory").and_then(|item| {
        item.parse(|text| if text.is_empty() { Err("names no directory") } else { Ok(PathBuf::from(text)) })
    });
    let given = section.item("database");
    let in_file = section.item("database_file");
    if let (Some(given), Some(_)) = (&given, &in_file) {
        given.fail("stands beside database_file: keep one of them");
    }
    let url = match (&given, &in_file) {
        (Some(item), _) => item.text().map(|text| Secret::new(text.into_owned())),
        (None, Some(item)) => secret_file(item),
        (None, None) => None,
    };
    if let Some(Err(message)) = url.as_ref().map(|url| check(url.expose())) {
        match (&given, &in_file) {
            (None, Some(item)) => {
                item.fail(format!("what {} holds {message}", item.text().unwrap_or_default()));
            }
            (item, _) => item.iter().for_each(|item| item.fail(&message)),
        }
    }
    let care = care(&section, url.is_some());
    section.finish();
    let database = match url {
        Some(url) => Database::Postgres { url },
        None => Database::Sqlite { directory: directory.unwrap_or_else(|| PathBuf::from(DIRECTORY)) },
    };
    (database, care)
}

fn care(section: &Section<'_>, is_postgres: bool) -> DataCare {
    let or = DataCare::default();
    let interval = section.item("audit_interval");
    let interval = interval.and_then(|item| duration(&item, Duration::ZERO, AUDIT_INTERVAL_MAX));
    let standby = section.item("require_synchronous_standby");
    let required = standby.as_ref().and_then(|item| item.boolean()).unwrap_or(or.require_synchronous_standby);
    if let (true, false, Some(item)) = (required, is_postgres, standby) {
        item.fail("is for PostgreSQL: SQLite has no standby, leave it out");
    }
    let kept = section.item("events_kept").and_then(|item| duration(&item, EVENTS_KEPT_MIN, EVENTS_KEPT_MAX));
    DataCare {
        audit_interval: interval.unwrap_or(or.audit_interval),
        require_synchronous_standby: required,
        events_kept: kept.unwrap_or(or.events_kept),
        coordination: coordination(section, is_postgres),
    }
}

fn coordination(section: &Section<'_>, is_postgres: bool) -> Coordination {
    let Some(item) = section.item("coordination") else { return Coordination::default() };
    let read = |text: &str| match text {
        "owner" => Ok(Coordination::Owner),
        "db" => Ok(Coordination::Db),
        _ => Err("is \"owner\", one gateway owns the books, or \"db\", several share one PostgreSQL"),
    };
    let read = item.parse(read).unwrap_or_default();
    if read == Coordination::Db && !is_postgres {
        item.fail("needs PostgreSQL: write `database`, or leave it out, SQLite has one owner");
    }
    read
}

/// What is wrong with a URL, without its text.
fn check(url: &str) -> Result<(), String> {
    const SHAPE: &str = "write it as postgres://user:password@host/database, or leave it out to keep everything in `directory`";
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(format!("is not a URL: {SHAPE}"));
    };
    if !SCHEMES.contains(&scheme) {
        // What stands before `://` by mistake may be more than a scheme.
        let word =
            scheme.len() <= 16 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+');
        let known = if word {
            format!("knows no scheme `{}`{}", printable(scheme), near(scheme))
        } else {
            "is not a URL".to_owned()
        };
        return Err(format!("{known}: {SHAPE}"));
    }
    let parameters = rest.split_once('?').map_or("", |(_, parameters)| parameters);
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let name = parameter.split('=').next().unwrap_or_default();
        if !PARAMETERS.contains(&name) {
            let hint = did_you_mean(name, PARAMETERS);
            return Err(format!("has a parameter that is not known{hint}"));
        }
    }
    let readable = PgConnectOptions::from_str(url).map_err(|_| format!("cannot be read: {SHAPE}"))?;
    if readable.get_database().is_none_or(str::is_empty) {
        return Err(format!("names no database: {SHAPE}"));
    }
    Ok(())
}

fn near(scheme: &str) -> String {
    did_you_mean(&scheme.to_ascii_lowercase(), SCHEMES)
}
