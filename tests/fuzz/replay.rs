//! Replays `fuzz/corpus/` and thousands of mutations of it, the same ones every time, without nightly.
//!
//! `FAREGATE_FUZZ_ROUNDS=500 cargo test -p test-fuzz` does five hundred times as many, other ones in every round.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use test_fuzz::mutator::Mutator;
use test_fuzz::{TARGETS, Target};

#[test]
fn header() {
    replay("header");
}

#[test]
fn payload() {
    replay("payload");
}

#[test]
fn p8_path() {
    replay("path");
}

#[test]
fn h2_config() {
    replay("config");
}

#[test]
fn every_target_has_a_corpus_and_a_libfuzzer_target() {
    for Target { name, .. } in TARGETS {
        assert!(corpus(name).len() > 10, "{name}");
        let file = fuzz().join("fuzz_targets").join(format!("{name}.rs"));
        assert!(file.is_file(), "{}", file.display());
    }
}

fn replay(name: &str) {
    let target = TARGETS.into_iter().find(|target| target.name == name).expect("a target");
    let rounds: usize =
        std::env::var("FAREGATE_FUZZ_ROUNDS").map_or(1, |rounds| rounds.parse().expect("a number of rounds"));
    let files = corpus(name);
    let all: Vec<Vec<u8>> = files.iter().map(|(_, bytes)| bytes.clone()).collect();
    let mut executions = 0;
    for round in 0..rounds {
        for (index, (file, bytes)) in files.iter().enumerate() {
            let mut mutator =
                Mutator::new(u64::try_from(round * files.len() + index).expect("a small number"));
            run(target, file, bytes);
            for _ in 0..target.mutations {
                run(target, file, &mutator.mutate(bytes, &all));
            }
            executions += target.mutations + 1;
        }
    }
    println!("{name}: {executions} executions over {} files", files.len());
}

/// Runs one input; where it fails, says it so that it can become a file of the corpus.
fn run(target: Target, file: &str, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        panic!("{} fails on a mutation of {file}: b\"{}\"", target.name, input.escape_ascii());
    }
}

/// The files of a target's corpus, by name.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = fuzz().join("corpus").join(name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|_| panic!("{} is missing", folder.display()));
    let mut files: Vec<(String, Vec<u8>)> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, std::fs::read(path).expect("a file"))
        })
        .collect();
    files.sort();
    files
}

fn fuzz() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}
