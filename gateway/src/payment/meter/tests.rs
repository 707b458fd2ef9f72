use domain::meter::{Unit, UnitPrice};

use super::*;

const JSON: (&str, &str) = ("content-type", "application/json");

/// At most ten cents, four where nothing can be read; each unit a thousandth of a cent.
fn meter(readings: &[&str]) -> Meter {
    let dollars = |text| Amount::parse_dollars(text).unwrap();
    let price = UnitPrice::parse("$0.00001").unwrap();
    let units = readings.iter().map(|from| Unit { from: from.parse().unwrap(), price });
    Meter::new(Metered::new(dollars("$0.10"), dollars("$0.04"), units.collect()).unwrap())
}

fn response(fields: &[(&'static str, &str)]) -> ResponseHeader {
    let mut response = ResponseHeader::build(200, None).unwrap();
    for (name, value) in fields {
        response.append_header(*name, *value).unwrap();
    }
    response
}

fn says(meter: &Meter) -> (i64, Source) {
    let (amount, source) = meter.amount();
    (amount.atomic(), source)
}

#[test]
fn the_upstreams_own_word_comes_before_all_counts_and_never_goes_above_the_maximum() {
    let overrides = |value: &str| {
        let mut meter = meter(&["header:x-n"]);
        let known = meter.begin(&response(&[("settlement-overrides", value), ("x-n", "3")]), false);
        assert_eq!(known, Known::Now);
        (says(&meter), meter.mistake())
    };
    assert_eq!(overrides(r#"{"amount":"1234"}"#), ((1_234, Source::Override), None));
    assert_eq!(overrides(r#"{"amount":"50%"}"#), ((50_000, Source::Override), None));
    assert_eq!(overrides(r#"{"amount":"0"}"#), ((0, Source::Override), None));
    let above = ((100_000, Source::Override), Some(Mistake::AboveMaximum));
    assert_eq!(overrides(r#"{"amount":"$0.11"}"#), above);
    assert_eq!(overrides("1234"), ((30, Source::Units), Some(Mistake::Unreadable)));
    let mut twice = meter(&[]);
    let one = r#"{"amount":"1"}"#;
    twice.begin(&response(&[("settlement-overrides", one), ("settlement-overrides", one)]), false);
    assert_eq!((says(&twice), twice.mistake()), ((40_000, Source::Unread), Some(Mistake::Unreadable)));
}

#[test]
fn what_the_header_does_not_say_is_known_with_a_short_body_or_after_a_long_one() {
    let begin =
        |readings: &[&str], fields: &[(&'static str, &str)]| meter(readings).begin(&response(fields), false);
    assert_eq!(begin(&[], &[JSON]), Known::Now);
    assert_eq!(begin(&["header:x-n"], &[JSON, ("content-length", "5")]), Known::Now);
    assert_eq!(begin(&["json:/n"], &[JSON, ("content-length", "5")]), Known::WithBody);
    assert_eq!(begin(&["json:/n"], &[JSON, ("content-length", "1048577")]), Known::AfterBody);
    assert_eq!(begin(&["json:/n"], &[JSON]), Known::AfterBody);
    let stream = ("content-type", "text/event-stream; charset=utf-8");
    assert_eq!(begin(&["json:/n"], &[stream, ("content-length", "5")]), Known::AfterBody);
    assert_eq!(meter(&["json:/n"]).begin(&response(&[JSON]), true), Known::Now);
}

#[test]
fn a_body_that_cannot_be_understood_is_not_counted_and_its_bytes_are() {
    let mut zipped = meter(&["json:/n"]);
    zipped.begin(&response(&[JSON, ("content-encoding", "gzip")]), false);
    zipped.push(br#"{"n":1}"#);
    zipped.end();
    assert_eq!(says(&zipped), (40_000, Source::Unread));
    let mut counted = meter(&["json:/n", "bytes", "header:x-n"]);
    counted.begin(&response(&[JSON, ("content-encoding", "identity"), ("x-n", "2")]), false);
    counted.push(br#"{"n":"#);
    // Before the end nothing of the document is known.
    assert_eq!(says(&counted), (70, Source::Units));
    counted.push(b"1}");
    counted.end();
    assert_eq!(says(&counted), (100, Source::Units));
}

#[test]
fn a_connection_that_speaks_another_protocol_is_not_free_because_it_has_no_body() {
    let begin = |status| {
        let mut counted = meter(&["bytes"]);
        let known = counted.begin(&ResponseHeader::build(status, None).unwrap(), true);
        counted.push(b"frames");
        (known, says(&counted))
    };
    assert_eq!(begin(101), (Known::Now, (40_000, Source::Unread)));
    assert_eq!(begin(204), (Known::Now, (60, Source::Units)));
}

#[test]
fn before_the_answer_nothing_is_read_and_who_leaves_before_the_last_count_has_seen_no_end() {
    let mut stream = meter(&["json:/in", "json:/out", "bytes"]);
    assert_eq!(says(&stream), (40_000, Source::Unread), "no byte has come, which is not no bytes");
    stream.begin(&response(&[("content-type", "text/event-stream")]), false);
    assert!(stream.lacks_a_count());
    stream.push(b"data: {\"in\":1}\n\n");
    assert!(stream.lacks_a_count());
    stream.push(b"data: {\"out\":2}\n\n");
    assert!(!stream.lacks_a_count());
    let mut bytes = meter(&["bytes", "events"]);
    bytes.begin(&response(&[("content-type", "text/event-stream")]), false);
    assert!(!bytes.lacks_a_count(), "what is counted as it passes lacks nothing");
}
