//! From figures that are known.

use std::time::Duration;

use super::*;
use crate::footprint::Footprint;
use crate::latency::Latencies;
use crate::median::Median;
use crate::plan::Measured;

fn run(case: Case, pace: Pace, repeat: usize, answers: u64) -> Run {
    let mut latencies = Latencies::default();
    latencies.add(Duration::from_micros(1_234));
    let measured = Measured {
        total: answers,
        refused: 0,
        failed: 0,
        answers,
        window: Duration::from_secs(1),
        cpu: Duration::from_millis(500),
        generator_cpu: Duration::from_millis(100),
        latencies,
        reconnects: 0,
    };
    Run::new(case.name(), pace, repeat, measured, Footprint { resident_kib: 2_048, descriptors: 9 })
}

fn report() -> Report {
    let mut report = Report {
        machine: Machine::look(),
        workers: 2,
        connections: 64,
        seconds: 1.0,
        rate: 5_000,
        runs: Vec::new(),
        comparisons: Vec::new(),
    };
    for (repeat, bare, free) in [(1, 20_000, 10_000), (2, 10_000, 9_000), (3, 40_000, 20_000)] {
        for (case, answers) in [(Case::Bare, bare), (Case::Free, free)] {
            report.add(run(case, Pace::Closed, repeat, answers));
            report.add(run(case, Pace::Open(5_000), repeat, 5_000));
        }
    }
    report
}

#[test]
fn a_case_is_compared_with_the_bare_proxy_of_its_own_repeat() {
    let summary = report().summary(Case::Free, Pace::Closed).unwrap();
    assert_eq!(summary.requests_per_second, Median { median: 10_000.0, min: 9_000.0, max: 20_000.0 });
    // 0.5, 0.9, 0.5; the medians of the rates would give the same only by chance.
    assert_eq!(summary.rate_to_reference, Median { median: 0.5, min: 0.5, max: 0.9 });
}

#[test]
fn the_table_has_a_row_for_what_was_measured_and_none_for_the_rest() {
    let table = report().table();
    assert!(
        table.contains("| Faregate, free | 10,000 ±55 % | 0.50 | 1,234 | 1,234 | 50.0 | 1,234 |"),
        "{table}"
    );
    assert!(!table.contains("signature"));
}

#[test]
fn the_json_has_every_run() {
    let json = report().json();
    assert_eq!(json["runs"].as_array().unwrap().len(), 12);
    assert_eq!(json["runs"][0]["case"], "bare Pingora");
    assert_eq!(json["runs"][0]["cpu_us_per_request"], 25.0);
    assert_eq!(json["summary"].as_array().unwrap().len(), 4);
}

#[test]
fn a_rate_that_was_not_reached_is_said_beside_its_latency() {
    let mut report = report();
    assert!(!report.table().contains("only"));
    for repeat in 1..=3 {
        report.add(run(Case::Key, Pace::Closed, repeat, 4_000));
        report.add(run(Case::Key, Pace::Open(5_000), repeat, 4_000));
    }
    assert!(report.table().contains("| 1,234 (only 4,000/s) |"), "{}", report.table());
}

#[test]
fn a_scenario_is_compared_with_its_first_row() {
    let rows = vec!["empty".to_owned(), "full".to_owned()];
    let mut comparison = Comparison::new("Ledger".to_owned(), rows, 5_000);
    for (case, answers) in [("empty", 10_000), ("full", 9_500)] {
        for pace in [Pace::Closed, Pace::Open(5_000)] {
            let mut measured = run(Case::Bare, pace, 1, answers);
            case.clone_into(&mut measured.case);
            comparison.add(measured);
        }
    }
    comparison.note("A restart took 0.1 s.".to_owned());
    let table = comparison.table();
    assert!(
        table.contains("| full | 9,500 | 0.95 | 52.6 | 1,234 | 1,234 | 1.00 | 2 |\n\nA restart"),
        "{table}"
    );
    assert_eq!(comparison.json()["runs"].as_array().unwrap().len(), 4);
}
