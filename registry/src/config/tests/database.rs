//! `[data]`: SQLite by default, PostgreSQL by its URL, and no word of the URL anywhere.

use std::fs;
use std::path::PathBuf;

use super::{errors, parse, parse_with, told};
use crate::Database;
use crate::config::Coordination;

const GOOD: &str = "postgres://faregate:c4n4ry@db.internal/books?sslmode=verify-full";

fn with(url: &str) -> String {
    format!("[data]\ndatabase = \"{url}\"\n")
}

#[test]
fn sqlite_is_the_default_and_a_url_means_postgresql() {
    let directory = PathBuf::from("data");
    assert_eq!(parse("").unwrap().config.data, Database::Sqlite { directory });
    let urls =
        [GOOD, "postgresql://db/x", "postgres:///x?host=/run/postgresql&user=a", "postgres:///?dbname=x"];
    for url in urls {
        let data = parse(&with(url)).unwrap_or_else(|errors| panic!("{errors}")).config.data;
        assert!(matches!(data, Database::Postgres { url: read } if read.expose() == url));
    }
}

#[test]
fn o7_no_mistake_in_the_url_and_no_debug_output_shows_the_password() {
    let wrong = [
        ("faregate:c4n4ry", "is not a URL: write it as postgres://user:password@host/database"),
        ("postgress://u:c4n4ry@db/x", "knows no scheme `postgress`, did you mean `postgres`?"),
        ("mysql://u:c4n4ry@db/x", "knows no scheme `mysql`: write it as"),
        ("c4n4ry@db://x", "is not a URL"),
        ("postgres://u:c4n4ry@db", "names no database"),
        ("postgres://u:c4n4ry@db:port/x", "cannot be read"),
        ("postgres://u:c4n4ry@db/x?sslmode=c4n4ry", "cannot be read"),
        ("postgres://u:c4n4ry@db/x?sslmod=require", "not known, did you mean `sslmode`?"),
        ("postgres://u:c4n4ry@db/x?c4n4ry=1", "has a parameter that is not known"),
    ];
    for (url, expected) in wrong {
        let said = errors(&with(url));
        assert!(said.len() == 1 && said[0].contains(expected), "{url}: {said:?}");
        assert!(!said[0].contains("c4n4ry"), "{said:?}");
    }
    let good = parse(&with(GOOD)).unwrap();
    assert!(!format!("{good:?}").contains("c4n4ry"));
}

#[test]
fn the_url_comes_from_a_file_or_the_environment_too() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("url");
    fs::write(&file, format!("{GOOD}\n")).unwrap();
    let in_file = format!("[data]\ndatabase_file = \"{}\"\n", file.display());
    for data in [
        parse(&in_file).unwrap().config.data,
        parse_with("", &[("FAREGATE__DATA__DATABASE", GOOD)]).unwrap().config.data,
        parse_with("", &[("FAREGATE__DATA__DATABASE_FILE", file.to_str().unwrap())]).unwrap().config.data,
    ] {
        assert!(matches!(data, Database::Postgres { url } if url.expose() == GOOD));
    }
    assert!(errors(&format!("{in_file}database = \"{GOOD}\"\n"))[0].contains("keep one of them"));
    let said = told(&parse_with("", &[("FAREGATE__DATA__DATABASE", "c4n4ry")]).unwrap_err());
    assert!(said[0].starts_with("env: data.database: is not a URL") && !said[0].contains("c4n4ry"));
}

#[test]
fn several_gateways_need_postgresql() {
    let coordination =
        |text: &str| parse(text).unwrap_or_else(|errors| panic!("{errors}")).config.care.coordination;
    assert_eq!(coordination(""), Coordination::Owner);
    assert_eq!(coordination("[data]\ncoordination = \"owner\"\n"), Coordination::Owner);
    assert_eq!(coordination(&format!("{}coordination = \"db\"\n", with(GOOD))), Coordination::Db);
    let wrong = errors("[data]\ncoordination = \"db\"\n");
    assert!(wrong[0].contains("needs PostgreSQL: write `database`"), "{wrong:?}");
    let unknown = errors(&format!("{}coordination = \"lease\"\n", with(GOOD)));
    assert!(unknown[0].contains("several share one PostgreSQL"), "{unknown:?}");
}

#[test]
fn only_postgresql_can_be_asked_for_a_standby() {
    let care = |text: &str| parse(text).unwrap_or_else(|errors| panic!("{errors}")).config.care;
    assert_eq!(care(""), crate::config::DataCare::default());
    assert!(care("[data]\naudit_interval = \"0s\"\n").audit_interval.is_zero());
    assert!(care(&format!("{}require_synchronous_standby = true\n", with(GOOD))).require_synchronous_standby);
    let wrong = errors("[data]\nrequire_synchronous_standby = true\n");
    assert!(wrong[0].contains("SQLite has no standby"), "{wrong:?}");
}
