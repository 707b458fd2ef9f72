use std::io::Read;
use std::process::{Command, Stdio};

use super::cluster::wait;
use super::*;

/// Set for the copy of this test binary that is killed.
const VICTIM: &str = "TEST_POSTGRES_VICTIM";

#[test]
fn databases_are_new_and_of_their_own() {
    let (one, other) = (fresh_database(), fresh_database());
    let _ = query(&one, "create table t (v bigint)");
    assert_eq!(query(&one, "select count(*) from t"), "0");
    assert_eq!(query(&other, "select count(*) from pg_tables where tablename = 't'"), "0");
    let copy = copy_of(&one);
    let _ = query(&copy, "insert into t values (1)");
    assert_eq!(
        (&*query(&copy, "select count(*) from t"), &*query(&one, "select count(*) from t")),
        ("1", "0")
    );
}

#[test]
fn what_was_committed_survives_a_stop_a_kill_and_a_freeze() {
    let cluster = Cluster::start();
    let url = cluster.fresh_database();
    let _ = query(&url, "create table t (v bigint)");
    cluster.stop_fast();
    cluster.start_again();
    let _ = query(&url, "insert into t values (1)");
    cluster.kill();
    cluster.start_again();
    cluster.freeze();
    cluster.thaw();
    assert_eq!(query(&url, "select count(*) from t"), "1");
    // The connection of the question before may still be on its way out.
    wait("nobody else to be connected", || (terminate_backends(&url) == 0).then_some(()));
}

/// The part that is killed: says where its cluster is, and waits for its end.
#[test]
fn victim() {
    if std::env::var_os(VICTIM).is_some() {
        println!("folder of {}", fresh_database());
        std::thread::sleep(std::time::Duration::from_secs(60));
    }
}

#[test]
fn nothing_stays_behind_when_a_test_is_killed() {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::victim", "--nocapture"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut out = victim.stdout.take().unwrap();
    let mut byte = [0];
    while !said.contains("&user=") {
        out.read_exact(&mut byte).unwrap();
        said.push(char::from(byte[0]));
    }
    let folder = said.split("host=").nth(1).and_then(|rest| rest.split('&').next()).unwrap().to_owned();
    let server = std::fs::read_to_string(format!("{folder}/data/postmaster.pid")).unwrap();
    let server: u32 = server.lines().next().unwrap().parse().unwrap();
    victim.kill().unwrap();
    victim.wait().unwrap();
    let gone = || !std::path::Path::new(&folder).exists() && cluster::has_ended(server);
    let start = std::time::Instant::now();
    while !gone() {
        assert!(start.elapsed().as_secs() < 60, "{folder} or process {server} stays");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
