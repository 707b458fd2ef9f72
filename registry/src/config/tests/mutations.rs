//! H2: a good file, damaged in hundreds of ways. Each is refused with a line, or is still a good file; none
//! panics.

use super::*;

/// What a value may be replaced by.
const VALUES: [&str; 14] = [
    "\"\"",
    "0",
    "-1",
    "9999999999999999999",
    "1.5",
    "true",
    "[]",
    "{}",
    "[1, \"a\"]",
    "1979-05-27",
    "\"\\u0000\"",
    "\"-$1\"",
    "\"💸\"",
    "nan",
];

fn base() -> Vec<String> {
    with_defaults_written_out().lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

/// Checks one damaged file, and says whether it was refused.
fn refused(text: &str) -> bool {
    match parse(text) {
        Ok(loaded) => {
            assert!(loaded.config.catalog.check().is_ok());
            false
        }
        Err(errors) => {
            assert!(errors.iter().len() > 0);
            for error in errors.iter() {
                let line = error.line().expect("the error is in the file");
                assert!((1..=text.lines().count() + 1).contains(&line), "{error}");
                assert!(!error.message.is_empty());
            }
            true
        }
    }
}

fn with_line(lines: &[String], index: usize, replacement: &str) -> String {
    let mut lines = lines.to_vec();
    lines[index] = replacement.to_owned();
    lines.join("\n")
}

#[test]
fn h2_every_value_replaced_by_every_kind_is_refused_with_line_and_key_or_still_good() {
    let lines = base();
    let (mut tried, mut wrong) = (0, 0);
    for (index, line) in lines.iter().enumerate() {
        let Some((key, _)) = line.split_once(" = ") else { continue };
        for value in VALUES {
            tried += 1;
            let text = with_line(&lines, index, &format!("{key} = {value}"));
            if refused(&text) {
                wrong += 1;
                let errors = parse(&text).unwrap_err();
                assert!(errors.iter().all(|error| !error.key.is_empty()), "{key} = {value}: {errors}");
            }
        }
    }
    assert!(tried > 500 && wrong * 10 > tried * 8, "{wrong} of {tried}");
}

#[test]
fn h2_every_key_renamed_doubled_or_taken_out_is_handled() {
    let lines = base();
    for (index, line) in lines.iter().enumerate() {
        let Some((key, value)) = line.split_once(" = ") else { continue };
        let renamed = with_line(&lines, index, &format!("{key}x = {value}"));
        let errors = parse(&renamed).expect_err(key);
        let told = errors.iter().find(|error| error.message.starts_with("unknown key")).expect(key);
        assert_eq!(told.line(), Some(index + 1));
        assert!(told.key.ends_with(&format!("{key}x")), "{told}");

        let doubled = parse(&with_line(&lines, index, &format!("{line}\n{line}"))).expect_err(key);
        assert!(
            doubled.iter().any(|error| error.line() == Some(index + 2) && error.key.ends_with(key)),
            "{doubled}"
        );

        refused(&with_line(&lines, index, ""));
    }
}

#[test]
fn h2_every_table_doubled_renamed_or_taken_out_is_handled() {
    let lines = base();
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with('[')) {
        refused(&with_line(&lines, index, ""));
        refused(&with_line(&lines, index, &format!("{line}\n{line}")));
        assert!(refused(&with_line(&lines, index, &line.replacen(']', "x]", 1))), "{line}");
        assert!(refused(&with_line(&lines, index, &line[1..])), "{line}");
    }
}

#[test]
fn h2_a_file_cut_off_or_with_a_damaged_byte_never_panics() {
    let text = base().join("\n");
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)).step_by(7) {
        refused(&text[..end]);
    }
    for at in (0..text.len()).step_by(11) {
        for damage in ["\0", "\"", "=", "]", "\u{feff}", "é", "\\", "#", "\n"] {
            if text.is_char_boundary(at) && text.is_char_boundary(at + 1) {
                refused(&format!("{}{damage}{}", &text[..at], &text[at + 1..]));
            }
        }
    }
}

#[test]
fn h2_deep_and_long_things_are_bounded() {
    assert!(refused(&format!("a = {}", "[".repeat(100_000))));
    assert!(refused(&format!("{} = 1", "a.".repeat(10_000))));
    assert!(refused(&format!("{} = 1", "k".repeat(1_000_000))));
    let errors = parse(&format!("{} = 1", "k".repeat(1_000_000))).unwrap_err();
    assert!(errors.to_string().len() < 1_000);
}
