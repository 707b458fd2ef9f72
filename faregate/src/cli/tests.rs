use clap::CommandFactory;
use clap::error::ErrorKind;

use super::*;

fn parse(line: &str) -> Result<Cli, ErrorKind> {
    Cli::try_parse_from(line.split(' ')).map_err(|error| error.kind())
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_takes_the_output_format_anywhere() {
    for line in [
        "faregate run -c f.toml -o json",
        "faregate -o json check -c f.toml",
        "faregate explain GET /a -o json",
        "faregate pay http://a/ -o json",
        "faregate audit --data d -o json",
        "faregate reconcile -c f --hours 48 -o json",
        "faregate demo --port 0 --output json",
    ] {
        assert_eq!(parse(line).unwrap().output, Format::Json, "{line}");
    }
    assert_eq!(parse("faregate run").unwrap().output, Format::Text);
}

#[test]
fn audit_takes_one_place_and_without_one_the_file_that_every_command_takes() {
    assert!(parse("faregate audit").is_ok() && parse("faregate reconcile").is_ok());
    let two = parse("faregate audit --data d --url http://127.0.0.1:8403").unwrap_err();
    assert_eq!(two, ErrorKind::ArgumentConflict);
    for flag in ["--token", "--admin-token"] {
        assert!(parse(&format!("faregate audit --url http://127.0.0.1:8403 {flag} t")).is_ok());
    }
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_done() {
    for line in [
        "faregate pay http://a/ --max ten",
        "faregate pay http://a/ --max $0.0000001",
        "faregate demo --port 65535",
        "faregate check -o yaml",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn pay_reads_a_command_line_like_curls() {
    assert!(parse("faregate pay -X PUT -d {} -H a:b -H c:d --max $0.25 --key-file k https://a/b").is_ok());
}
