use domain::meter::UnitPrice;

use super::*;

fn units(readings: &[&str]) -> Vec<Unit> {
    let price = UnitPrice::parse("$0.000001").unwrap();
    readings.iter().map(|from| Unit { from: from.parse().unwrap(), price }).collect()
}

/// What is counted in a body that comes in these pieces.
fn read(framing: Framing, readings: &[&str], pieces: &[&[u8]]) -> (Vec<Option<Count>>, u64) {
    let mut frames = Frames::new(framing, &units(readings));
    pieces.iter().for_each(|piece| frames.push(piece));
    frames.end();
    (frames.counts().to_vec(), frames.frames())
}

/// The same however it is cut in two, and byte by byte.
fn read_however(framing: Framing, readings: &[&str], body: &str) -> (Vec<Option<Count>>, u64) {
    let body = body.as_bytes();
    let whole = read(framing, readings, &[body]);
    for cut in 0..=body.len() {
        let (one, other) = body.split_at(cut);
        assert_eq!(read(framing, readings, &[one, other]), whole, "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = body.chunks(1).collect();
    assert_eq!(read(framing, readings, &bytes), whole);
    whole
}

fn n(units: u64) -> Option<Count> {
    Some(Count::of(units))
}

#[test]
fn numbers_are_found_where_the_pointers_say_and_nowhere_else() {
    let body = r#" {"a":{"usage":{"n":1}},"usage":[{"n":2}, {"n":3,"usage":{"n":4}}],"us\u0061ge2":{"n" : 5.5e1 ,"m":null},
        "deep":[[[]],{}, "]}\"", true,false,7],"n":"8","s":{"n":"x"}} "#;
    let at = |pointer: &str| read_however(Framing::Whole, &[&format!("json:{pointer}")], body).0[0];
    assert_eq!((at("/a/usage/n"), at("/usage/0/n"), at("/usage/1/n")), (n(1), n(2), n(3)));
    assert_eq!((at("/usage/1/usage/n"), at("/usage2/n"), at("/deep/5")), (n(4), n(55), n(7)));
    for nothing in ["/usage/n", "/usage/2/n", "/usage2/m", "/n", "/s/n", "/deep/01", "/deep/0", "/x", "/a"] {
        assert_eq!(at(nothing), None, "{nothing}");
    }
}

#[test]
fn what_is_no_whole_document_counts_nothing() {
    let wrong = [
        r#"{"n":1"#,
        r#"{"n":1}}"#,
        r#"{"n":1} x"#,
        r#"{"n":1]"#,
        r#"{"n":1,}"#,
        r#"{"n" 1}"#,
        r#"{n:1}"#,
        r#"{"n":1 2}"#,
        r#"{"n":1,"m":tru}"#,
        "[,1]",
        "",
        "\u{feff}",
        "gzip\u{1}\u{2}",
    ];
    for body in wrong {
        assert_eq!(read_however(Framing::Whole, &["json:/n"], body).0, [None], "{body}");
    }
    assert_eq!(read_however(Framing::Whole, &["json:/n"], r#"{"n":1,"n":2}"#).0, [n(2)]);
    assert_eq!(read_however(Framing::Whole, &["json:/n"], r#"{"n":-1}"#).0, [None]);
    let deep = format!(r#"{{"n":1,"m":{}{}}}"#, "[".repeat(80), "]".repeat(80));
    assert_eq!(read(Framing::Whole, &["json:/n"], &[deep.as_bytes()]).0, [None]);
}

#[test]
fn the_last_event_of_a_stream_is_read_however_its_lines_end() {
    let body = "id: 1\ndata: {\"choices\":[{\"delta\":{\"content\":\"usage\"}}],\"usage\":null}\n\n: still there\n\nevent: x\ndata:{\"usage\":\ndata: {\"n\":12}\ndata: }\n\n\ndatabase: {\"usage\":{\"n\":99}}\n\ndata\n\ndata: [DONE]\n\n";
    for body in [body.to_owned(), body.replace('\n', "\r\n"), body.replace('\n', "\r")] {
        let (counts, events) = read_however(Framing::Events, &["json:/usage/n"], &body);
        assert_eq!((counts, events), (vec![n(12)], 2), "{body:?}");
    }
    let unfinished = "data: {\"n\":1}\n\ndata: {\"n\":2}";
    assert_eq!(read_however(Framing::Events, &["json:/n"], unfinished), (vec![n(2)], 2));
    let broken_off = "data: {\"n\":1}\n\ndata: {\"n\":2";
    assert_eq!(read_however(Framing::Events, &["json:/n"], broken_off).0, [n(1)]);
}

#[test]
fn counts_of_events_are_the_last_or_all_of_them() {
    let body = "data: {\"message\":{\"in\":7,\"out\":1}}\n\ndata: {\"out\":3}\n\ndata: {\"out\":9}\n\n";
    let readings = ["json:/message/in", "json:/out", "sum:/out", "events"];
    let (counts, events) = read_however(Framing::Events, &readings, body);
    assert_eq!((counts, events), (vec![n(7), n(9), n(12), None], 3));
}

#[test]
fn each_line_is_a_document() {
    let body = "{\"n\":1}\n\n  \r\n{\"n\":2}\r\nnot json\n{\"n\":4}";
    assert_eq!(read_however(Framing::Lines, &["sum:/n"], body), (vec![n(7)], 4));
}

#[test]
fn a_frame_of_any_size_takes_no_more_memory() {
    let mut frames = Frames::new(Framing::Events, &units(&["json:/n"]));
    frames.push(b"data: {\"text\":\"");
    let piece = "x".repeat(64 * 1024);
    for _ in 0..256 {
        frames.push(piece.as_bytes());
    }
    frames.push(b"\",\"");
    frames.push(piece.as_bytes());
    frames.push(b"\":");
    frames.push("1".repeat(100_000).as_bytes());
    frames.push(b",\"n\":5}\n\n");
    assert_eq!((frames.counts(), frames.frames()), (&[n(5)][..], 1));
    let kept = std::mem::size_of_val(&frames) + frames.head.capacity() + frames.scan.kept();
    assert!(kept < 8 * 1024, "{kept} bytes");
}

proptest::proptest! {
    /// What serde says, whatever is around it.
    #[test]
    fn numbers_are_those_that_serde_finds(left in "[a-z{}\\[\\]\":,\\\\é]{0,12}", number in 0_u64..1_000_000, right in ".{0,12}") {
        let body = serde_json::json!({ "l": left, "at": [{ "x": right.clone(), "n": number }], (right): [left] });
        let found = body.pointer("/at/0/n").and_then(serde_json::Value::as_u64).map(Count::of);
        let text = body.to_string();
        proptest::prop_assert_eq!(read(Framing::Whole, &["json:/at/0/n"], &[text.as_bytes()]).0, vec![found]);
    }

    #[test]
    fn no_bytes_break_it(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        for framing in [Framing::Whole, Framing::Lines, Framing::Events] {
            read(framing, &["json:/a", "sum:/b/0"], &[&bytes]);
        }
    }
}
