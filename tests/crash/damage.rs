//! Files that are not what was written: a log that ends anywhere (C9, what a power loss leaves) and pages whose bytes have
//! changed (C10).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use serde_json::Value;
use tests::process::run;
use tests::{Config, Database, Disk, Request, Route, World, crowd};

const PRICE: i64 = 1_000;
const FUNDS: i64 = 1_000_000;

/// Lengths of the write-ahead log (sqlite.org/fileformat2.html, section 4).
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// Frames of the log between two of which the test does not cut a byte before and after as well.
const EVERY_BYTE_CUTS: usize = 4;

/// Pages whose header is overwritten at most, and places where bytes are flipped.
const PAGES: usize = 12;
const FLIPS: usize = 32;

async fn world(disk: &Disk) -> World {
    World::with("$1", |upstream| {
        let config = Config::new(upstream, [Route::new("/items/{id}", "$0.001")]).disk(disk);
        Config { database: Some(Database::Sqlite), ..config }
    })
    .await
}

/// Signed requests for different items.
async fn signed(world: &World, items: std::ops::Range<usize>) -> Vec<Request> {
    let challenge = world.gateway.challenge("/items/0").await.challenge();
    let sign = |item| {
        let payment = world.agent.payer.pay_challenge(&challenge);
        Request::get(&format!("/items/{item}")).paying(payment.header())
    };
    items.map(sign).collect()
}

/// The database and its log, in a folder.
struct Files {
    database: Vec<u8>,
    log: Vec<u8>,
}

// === impl Files ===

impl Files {
    fn of(folder: &Path) -> Self {
        let database = std::fs::read(folder.join("ledger.db")).unwrap();
        Self { database, log: std::fs::read(folder.join("ledger.db-wal")).unwrap_or_default() }
    }

    /// Puts them into a folder, with the log cut.
    fn put(&self, folder: &Path, log_bytes: usize) {
        let _ = std::fs::remove_file(folder.join("ledger.db-shm"));
        std::fs::write(folder.join("ledger.db"), &self.database).unwrap();
        std::fs::write(folder.join("ledger.db-wal"), &self.log[..log_bytes]).unwrap();
    }

    /// The database with another byte.
    fn flipped(&self, at: usize) -> Self {
        let mut database = self.database.clone();
        database[at] ^= 0xff;
        Self { database, log: Vec::new() }
    }

    fn number(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.log[at..at + 4].try_into().unwrap())
    }

    /// Where the frames of this log end, and whether a commit ends there.
    fn frames(&self) -> Vec<(usize, bool)> {
        let length = FRAME_HEADER + usize::try_from(self.number(8)).unwrap();
        let ours = |start: usize| self.log[start + 8..start + 16] == self.log[16..24];
        let starts = (LOG_HEADER..).step_by(length).take_while(|start| start + length <= self.log.len());
        starts
            .take_while(|start| ours(*start))
            .map(|start| (start + length, self.number(start + 4) != 0))
            .collect()
    }
}

/// What `faregate audit` says of a folder. Its exit code must agree with it.
async fn audit(folder: &Path) -> Option<Value> {
    let said = run(&["audit", "--data", &folder.display().to_string(), "-o", "json"]).await;
    let report: Value = serde_json::from_str(said.out.lines().next().unwrap_or_default()).unwrap();
    assert_eq!(said.code == Some(0), report["clean"] == Value::Bool(true), "{}{}", said.out, said.err);
    report["payments"].is_u64().then_some(report)
}

#[tokio::test(flavor = "multi_thread")]
async fn c9_a_log_cut_anywhere_opens_as_a_prefix_of_the_committed_batches() {
    let disk = Disk::new();
    let mut world = world(&disk).await;
    world.gateway.terminate().await;
    disk.set_log_only(true);
    world.gateway.restart().await;
    let requests = signed(&world, 1..17).await;
    for request in &requests[..6] {
        world.gateway.call(request).await.expect_status(200);
    }
    for response in crowd::send_all(world.gateway.data(), requests[6..].to_vec(), 5).await {
        response.expect_status(200);
    }
    let folder = world.gateway.data_directory();
    world.gateway.kill().await;
    let files = Files::of(&folder);
    let kept = kept_at_each_cut(&files).await;
    let (whole, some) = (kept.last().unwrap().1, kept[kept.len() / 2]);
    assert_eq!(whole, requests.len(), "everything that was acknowledged is in the whole log");
    println!("{} cuts of {} bytes", kept.len(), files.log.len());

    disk.set_log_only(false);
    files.put(&folder, some.0);
    world.gateway.restart().await;
    world.expect_balance(FUNDS - PRICE * i64::try_from(some.1).unwrap()).await;
    // What the power loss took is not known any more: it can be paid again, once.
    for request in &requests {
        let status = world.again(request).await.status;
        assert!(matches!(status, 200 | 409), "{status}");
    }
    world.expect_balance(FUNDS - PRICE * i64::try_from(requests.len()).unwrap()).await;
    world.finish().await;
}

/// Cuts the log at each frame, some a byte beside it; the cut and how many payments are there. Fails the test where a cut shows
/// more than the commits that are whole in it, or less.
async fn kept_at_each_cut(files: &Files) -> Vec<(usize, usize)> {
    let scratch = tempfile::tempdir().unwrap();
    let frames = files.frames();
    let mut kept = Vec::new();
    let mut stands = None;
    for (index, (end, is_commit)) in frames.iter().enumerate() {
        let beside = index % EVERY_BYTE_CUTS == 0 || *is_commit;
        let cuts = if beside { vec![end - 1, *end, end + 1] } else { vec![*end] };
        for cut in cuts.into_iter().filter(|cut| *cut <= files.log.len()) {
            files.put(scratch.path(), cut);
            let report =
                audit(scratch.path()).await.unwrap_or_else(|| panic!("cannot be read when cut at {cut}"));
            assert_eq!(report["clean"], Value::Bool(true), "cut at {cut}: {report}");
            let payments = usize::try_from(report["payments"].as_u64().unwrap()).unwrap();
            if *is_commit && cut == *end {
                assert!(stands.is_none_or(|stands| payments >= stands), "cut at {cut}");
            } else {
                assert!(
                    stands.is_none_or(|stands| payments == stands),
                    "cut at {cut}, {payments} of {stands:?}"
                );
            }
            stands = Some(payments);
            kept.push((cut, payments));
        }
    }
    let steps: BTreeSet<usize> = kept.iter().map(|(_, payments)| *payments).collect();
    assert!(steps.len() > 6, "the log holds many batches: {steps:?}");
    kept
}

#[tokio::test(flavor = "multi_thread")]
async fn c10_damaged_pages_are_found_and_nothing_is_served_from_a_broken_file() {
    let mut world = world(&Disk::new()).await;
    for request in signed(&world, 1..9).await {
        world.gateway.call(&request).await.expect_status(200);
    }
    let balance = FUNDS - 8 * PRICE;
    world.expect_balance(balance).await;
    world.gateway.terminate().await;
    let folder = world.gateway.data_directory();
    let good = Files::of(&folder);
    let page_size = usize::from(u16::from_be_bytes([good.database[16], good.database[17]]));
    let pages = good.database.len() / page_size;

    // The header of a page: the tree hangs together no more, and that is seen before anything is served.
    // A page that nothing is kept in has no header.
    let unused = unused(&good.database, page_size);
    for page in (0..pages).step_by(pages.div_ceil(PAGES)).filter(|page| !unused.contains(page)) {
        let mut bad = Files { database: good.database.clone(), log: Vec::new() };
        let header = page * page_size + if page == 0 { 100 } else { 0 };
        bad.database[header..header + 8].fill(0xff);
        bad.put(&folder, 0);
        let status = world
            .gateway
            .try_restart()
            .await
            .unwrap_or_else(|| panic!("page {page} is broken, and it serves"));
        assert_eq!(status.code(), Some(1), "page {page}: {status}");
        let log = world.gateway.log();
        let last = log.lines().last().unwrap_or_default();
        assert!(last.contains("damaged") && last.contains("backup"), "page {page}: {last}");
    }

    // Bytes anywhere: found at the start, found by the audit, or in a place that says nothing about money.
    let (mut refused, mut audited) = (0, 0);
    for flip in 0..FLIPS {
        let start = (flip * 7_919 + 4_001) * 131 % good.database.len();
        // Pages are mostly room; a byte that was written is what matters.
        let at = (start..good.database.len()).find(|at| good.database[*at] != 0).unwrap_or(start);
        good.flipped(at).put(&folder, 0);
        if let Some(status) = world.gateway.try_restart().await {
            assert_eq!(status.code(), Some(1), "byte {at}: {status}");
            refused += 1;
            continue;
        }
        let found = world.agent.money(&world.gateway).await.balance;
        world.gateway.kill().await;
        let is_clean = audit(&folder).await.is_some_and(|report| report["clean"] == Value::Bool(true));
        assert!(
            !is_clean || found == balance,
            "byte {at} made the balance {found}, and the audit is content"
        );
        audited += usize::from(!is_clean);
    }
    println!("of {FLIPS} flipped bytes {refused} were found at the start, {audited} by the audit");
    assert!(refused > 0);

    // An index that says otherwise than its table: every page is well, so only the audit, which compares them, can know.
    good.flipped(twin(&good.database, page_size)).put(&folder, 0);
    let is_clean = audit(&folder).await.is_some_and(|report| report["clean"] == Value::Bool(true));
    assert!(!is_clean, "the audit is content with an index that lies");
    good.put(&folder, 0);
    world.gateway.restart().await;
    world.expect_balance(balance).await;
    world.finish().await;
}

/// Pages that SQLite keeps for later: the leaves of its freelist, counted from 0 (its file format, section 1.5).
fn unused(database: &[u8], page_size: usize) -> HashSet<usize> {
    let number = |at: usize| {
        let bytes = database[at..at + 4].try_into().expect("four bytes");
        usize::try_from(u32::from_be_bytes(bytes)).expect("a number")
    };
    let (mut unused, mut trunk) = (HashSet::new(), number(32));
    while trunk != 0 {
        let at = (trunk - 1) * page_size;
        unused.extend((0..number(at + 4)).map(|leaf| number(at + 8 + leaf * 4) - 1));
        trunk = number(at);
    }
    unused
}

/// Where sixteen random bytes stand for the second time, in another page: a name, and the same name in an index.
fn twin(database: &[u8], page_size: usize) -> usize {
    let mut first = HashMap::new();
    for (at, name) in database.windows(16).enumerate() {
        let distinct = name.iter().collect::<HashSet<_>>().len();
        let looks_random = distinct > 12 && name.iter().filter(|byte| !byte.is_ascii()).count() > 3;
        let seen = if looks_random { *first.entry(name).or_insert(at) } else { at };
        if seen / page_size != at / page_size {
            return at;
        }
    }
    panic!("no name stands in a table and in an index");
}
