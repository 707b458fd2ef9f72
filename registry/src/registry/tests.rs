use std::sync::atomic::{AtomicI64, Ordering};

use domain::{
    Amount, CanonicalPath, Route, RouteId, ScopedLimit, ScopedLimits, Secret, SpendingPolicy, UnixMillis,
    Window,
};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::AgentKey;
use crate::agent::{AgentEntry, Listing, NewAgent, NewKey};
use crate::catalog::{Editor, RawCatalog};
use crate::config::{Config, Environment};
use crate::journal::{Actor, ActorKind};

/// A fresh database of the kind that `FAREGATE_TEST_DATABASE` names.
pub(crate) struct Place {
    pub(crate) database: Database,
    _files: Option<TempDir>,
}

impl Place {
    /// On a server of the test's own.
    pub(crate) fn of(database: Database) -> Self {
        Self { database, _files: None }
    }

    /// A file, whatever is named.
    pub(crate) fn file() -> Self {
        let files = tempfile::tempdir().unwrap();
        let database = Database::Sqlite { directory: files.path().join("data") };
        Self { database, _files: Some(files) }
    }

    pub(crate) fn new() -> Self {
        match std::env::var("FAREGATE_TEST_DATABASE").as_deref() {
            Ok("postgres") => {
                let url = Secret::new(test_postgres::fresh_database());
                Self { database: Database::Postgres { url }, _files: None }
            }
            Ok("sqlite") | Err(_) => Self::file(),
            Ok(other) => panic!("FAREGATE_TEST_DATABASE is sqlite or postgres, not {other}"),
        }
    }

    /// So much time passes, for turns too.
    pub(crate) async fn pass(&self, clock: &TestClock, millis: i64) {
        clock.advance(millis);
        if matches!(self.database, Database::Postgres { .. }) {
            self.turns_last(-millis).await;
        }
    }

    /// What somebody said or took for a while lasts so much longer.
    pub(crate) async fn turns_last(&self, millis: i64) {
        let sql = format!(
            "update duty set until = until + ({millis}); update errand_taker set able_until = able_until + ({millis});"
        );
        self.force(&sql).await;
    }

    /// Writes past every guard, as whoever has the database in hand can.
    pub(crate) async fn force(&self, sql: &str) {
        match &self.database {
            Database::Sqlite { directory } => {
                let path = directory.join(crate::store::pool::FILE);
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
                let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
                let guards =
                    "drop trigger if exists change_no_update; drop trigger if exists change_no_delete;";
                let sql = sqlx::AssertSqlSafe(format!("{guards} {sql}"));
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            }
            Database::Postgres { url } => {
                let sql =
                    format!("set search_path to registry; alter table change disable trigger all; {sql}");
                let _ = test_postgres::query(url.expose(), &sql);
            }
        }
    }

    /// Everything that is stored.
    fn dump(&self) -> Vec<u8> {
        let mut dump = Vec::new();
        match &self.database {
            Database::Sqlite { directory } => {
                for file in std::fs::read_dir(directory).unwrap() {
                    dump.extend(std::fs::read(file.unwrap().path()).unwrap());
                }
            }
            Database::Postgres { url } => {
                for table in
                    ["agent", "signer", "agent_key", "route_revision", "change", "event", "api_key", "route"]
                {
                    let text = test_postgres::query(url.expose(), &format!("table registry.{table}"));
                    // Byte strings are printed in hexadecimal digits.
                    for field in text.split(['|', '\n']) {
                        let bytes = field
                            .strip_prefix("\\x")
                            .map(|hex| data_encoding::HEXLOWER.decode(hex.as_bytes()));
                        dump.extend(bytes.map_or_else(|| field.as_bytes().to_vec(), Result::unwrap));
                    }
                }
            }
        }
        dump
    }
}

pub(crate) const OPERATOR: Actor = Actor { kind: ActorKind::Token, request: None };

const START: UnixMillis = UnixMillis(1_800_000_000_000);

/// A clock that stands still until it is set.
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(START.0)))
    }

    pub(crate) fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::Relaxed))
    }
}

pub(crate) async fn open(place: &Place, clock: &Arc<TestClock>) -> Registry {
    Registry::open(&place.database, Arc::clone(clock) as Arc<dyn Clock>).await.unwrap()
}

pub(crate) fn config(text: &str) -> Config {
    let file = std::path::Path::new("test.toml");
    Config::parse(file, text, &Environment::default()).unwrap_or_else(|errors| panic!("{errors}")).config
}

/// A provider with routes of these names and prices.
fn catalog(routes: &[(&str, &str)]) -> RawCatalog {
    let head = "[[providers]]\nname = \"acme\"\nupstream = { addresses = [\"http://127.0.0.1:1\"] }\n";
    let route = |(name, price): &(&str, &str)| {
        format!("[[providers.routes]]\nname = \"{name}\"\npath = \"/{name}\"\nprice = \"{price}\"\n")
    };
    config(&(head.to_owned() + &routes.iter().map(route).collect::<String>())).catalog
}

pub(crate) const fn operator() -> Editor {
    Editor::operator(OPERATOR)
}

pub(crate) fn agents(text: &str) -> Vec<AgentEntry> {
    config(text).agents
}

fn route<'a>(catalog: &'a Catalog, name: &str) -> &'a Arc<Route> {
    catalog.routes().iter().find(|route| &*route.name == name).unwrap()
}

fn payable(route: &Route, at: UnixMillis) -> Vec<(u32, String)> {
    route
        .payable(at)
        .map(|(revision, price)| (revision, price.maximum().unwrap_or(Amount::ZERO).to_string()))
        .collect()
}

#[tokio::test]
async fn h1_a_superseded_price_stays_payable_for_a_minute_also_across_a_restart() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    registry.apply(&catalog(&[("a", "$1")]), START).await.unwrap();
    let changed = registry.apply(&catalog(&[("a", "$2")]), START.plus(1_000)).await.unwrap();
    let both = vec![(2, "$2.00".to_owned()), (1, "$1.00".to_owned())];
    assert_eq!(payable(route(&changed, "a"), START.plus(60_999)), both);
    registry.close().await;

    let again = open(&place, &clock).await;
    let later = again.apply(&catalog(&[("a", "$2")]), START.plus(30_000)).await.unwrap();
    assert_eq!(later.version(), changed.version());
    assert_eq!(payable(route(&later, "a"), START.plus(60_999)), both);
    assert_eq!(payable(route(&later, "a"), START.plus(61_000)), both[..1]);
}

#[tokio::test]
async fn unchanged_routes_and_providers_are_shared_between_versions() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let first = registry.apply(&catalog(&[("a", "$1"), ("b", "$1")]), START).await.unwrap();
    let second = registry.apply(&catalog(&[("a", "$1"), ("b", "$2")]), START).await.unwrap();
    assert_eq!(second.version(), first.version() + 1);
    assert!(Arc::ptr_eq(route(&first, "a"), route(&second, "a")));
    assert!(!Arc::ptr_eq(route(&first, "b"), route(&second, "b")));
    assert!(Arc::ptr_eq(&first.providers()[0], &second.providers()[0]));
    let same = registry.apply(&catalog(&[("a", "$1"), ("b", "$2")]), START).await.unwrap();
    assert!(Arc::ptr_eq(&second, &same));
}

#[tokio::test]
async fn a_catalog_in_force_is_seen_by_all_who_watch_and_a_bad_one_changes_nothing() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let mut catalogs = registry.catalogs();
    assert!(catalogs.borrow_and_update().routes().is_empty());
    registry.apply(&catalog(&[("a", "$1")]), START).await.unwrap();
    catalogs.changed().await.unwrap();
    let path = CanonicalPath::parse(b"/a").unwrap();
    assert_eq!(catalogs.borrow_and_update().find("h", "GET", &path), Some(RouteId(0)));

    let twin = json!({ "name": "twin", "provider": "acme", "path": "/a", "price": "$1" });
    let error = registry.create_route(&operator(), twin).await.unwrap_err().to_string();
    assert!(error.starts_with("/path: route `twin` answers the same requests as route `a`"), "{error}");
    assert!(!catalogs.has_changed().unwrap());
}

#[tokio::test]
async fn a_route_that_was_away_begins_with_a_new_revision() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    registry.apply(&catalog(&[("a", "$1"), ("b", "$1")]), START).await.unwrap();
    registry.apply(&catalog(&[("b", "$1")]), START.plus(1)).await.unwrap();
    let back = registry.apply(&catalog(&[("a", "$1"), ("b", "$1")]), START.plus(2)).await.unwrap();
    assert_eq!(payable(route(&back, "a"), START.plus(2)), vec![(2, "$1.00".to_owned())]);
    assert_eq!(route(&back, "b").revision, 1);
}

#[tokio::test]
async fn agents_of_the_file_keep_their_id_and_wallet_over_loads_and_restarts() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let first = registry.upsert_agents(&agents("[[agents]]\nname = \"x\"\n")).await.unwrap();
    registry.close().await;
    let registry = open(&place, &clock).await;
    let second =
        registry.upsert_agents(&agents("[[agents]]\nname = \"x\"\nper_day = \"$3\"\n")).await.unwrap();
    assert_eq!((second[0].id, second[0].wallet), (first[0].id, first[0].wallet));
    assert_eq!(second[0].policy.per_day.unwrap().to_string(), "$3.00");
    let all = Listing { before: None, owner: None };
    assert_eq!(registry.agents(&all, 10).await.unwrap(), second);
}

#[tokio::test]
async fn what_the_file_brought_it_takes_away_and_what_the_api_brought_stays() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let directory = registry.directory();
    let key = AgentKey::generate(START, [5; 42]);
    let (by_file, by_api) = (Address::repeat_byte(0x11), Address::repeat_byte(0x22));
    let text = format!(
        "[[agents]]\nname = \"x\"\nsigners = [\"{by_file}\"]\nkeys = [{{ hash = \"{}\" }}]\n",
        key.hash()
    );
    let agent = registry.upsert_agents(&agents(&text)).await.unwrap().remove(0);
    registry.add_signer(&OPERATOR, agent.id, by_api).await.unwrap();
    assert_eq!(directory.by_signer(by_file).await.unwrap().unwrap().agent, agent.id);
    assert_eq!(directory.by_key(&key).await.unwrap().unwrap().agent, agent.id);

    registry.upsert_agents(&[]).await.unwrap();
    assert!(directory.by_signer(by_file).await.unwrap().is_none());
    assert!(directory.by_key(&key).await.unwrap().is_none());
    assert_eq!(directory.by_signer(by_api).await.unwrap().unwrap().agent, agent.id);
}

#[tokio::test]
async fn a_signer_moves_between_agents_of_the_file_but_is_not_taken_from_another() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let signer = Address::repeat_byte(0x11);
    let with = |name: &str| format!("[[agents]]\nname = \"{name}\"\nsigners = [\"{signer}\"]\n");
    registry.upsert_agents(&agents(&with("x"))).await.unwrap();
    let moved = registry.upsert_agents(&agents(&with("y"))).await.unwrap();
    assert_eq!(moved[0].signers, [signer]);

    let wallet = registry.new_wallet().unwrap();
    let new = NewAgent { name: "z".to_owned(), wallet, owner: None, policy: SpendingPolicy::default() };
    let other = registry.create_agent(&OPERATOR, new.clone()).await.unwrap();
    assert!(matches!(
        registry.add_signer(&OPERATOR, other.id, signer).await,
        Err(RegistryError::SignerTaken(_))
    ));
    assert!(matches!(registry.create_agent(&OPERATOR, new).await, Err(RegistryError::NameTaken(_))));
    let taken = Address::repeat_byte(0x33);
    registry.add_signer(&OPERATOR, other.id, taken).await.unwrap();
    let text = format!("[[agents]]\nname = \"y\"\nsigners = [\"{taken}\"]\n");
    assert!(matches!(registry.upsert_agents(&agents(&text)).await, Err(RegistryError::File(_))));
    // All or nothing.
    assert_eq!(registry.agent(moved[0].id).await.unwrap().unwrap().signers, [signer]);
}

#[tokio::test]
async fn the_id_of_a_key_belongs_to_one_agent() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let wallet = registry.new_wallet().unwrap();
    let new = NewAgent { name: "x".to_owned(), wallet, owner: None, policy: SpendingPolicy::default() };
    let owner = registry.create_agent(&OPERATOR, new).await.unwrap().id;
    let shown = registry.add_key(&OPERATOR, owner, NewKey::default()).await.unwrap();
    let text = format!("[[agents]]\nname = \"y\"\nkeys = [{{ hash = \"{}\" }}]\n", shown.key.hash());
    assert!(matches!(registry.upsert_agents(&agents(&text)).await, Err(RegistryError::File(_))));
    assert_eq!(registry.directory().by_key(&shown.key).await.unwrap().unwrap().agent, owner);
}

#[tokio::test]
async fn a_policy_survives_the_database() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let limit = |scope: &str, window| {
        let limit = Amount::from_atomic(3).unwrap();
        ScopedLimit { scope: scope.parse().unwrap(), window, limit }
    };
    let policy = SpendingPolicy {
        per_request: Amount::from_atomic(1),
        per_hour: Amount::from_atomic(2),
        per_day: Amount::from_atomic(i64::MAX),
        per_month: None,
        limits: ScopedLimits::new(vec![limit("route:a", Window::Hour), limit("category:b c", Window::Month)])
            .unwrap(),
        routes: Some(vec!["a".into(), "b\"'".into()]),
        providers: Some(Vec::new()),
        expires_at: Some(START),
    };
    let wallet = registry.new_wallet().unwrap();
    let new = NewAgent { name: "x".to_owned(), wallet, owner: None, policy: policy.clone() };
    let agent = registry.create_agent(&OPERATOR, new).await.unwrap();
    assert_eq!(agent.policy, policy);
    let unknown = AgentId::from_bytes([9; 16]);
    assert!(matches!(
        registry.set_policy(&OPERATOR, unknown, |_| true, &policy).await,
        Err(RegistryError::UnknownAgent(_))
    ));
    assert!(matches!(
        registry.add_key(&OPERATOR, unknown, NewKey::default()).await,
        Err(RegistryError::UnknownAgent(_))
    ));
    assert!(matches!(
        registry.set_frozen(&OPERATOR, crate::Freezer::Operator, unknown, true).await,
        Err(RegistryError::UnknownAgent(_))
    ));
}

#[tokio::test]
async fn o5_a_dump_of_the_database_holds_no_usable_key() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let wallet = registry.new_wallet().unwrap();
    let new = NewAgent { name: "x".to_owned(), wallet, owner: None, policy: SpendingPolicy::default() };
    let agent = registry.create_agent(&OPERATOR, new).await.unwrap();
    let shown = registry.add_key(&OPERATOR, agent.id, NewKey::default()).await.unwrap();
    registry.close().await;
    let text = shown.key.reveal();
    let encoded = &text[30..][..43];
    let secret = data_encoding::BASE64URL_NOPAD.decode(encoded.as_bytes()).unwrap();
    let dump = place.dump();
    assert!(dump.windows(32).any(|window| window == shown.key.hash().as_bytes()), "the hash is there");
    assert!(!dump.windows(32).any(|window| window == secret));
    assert!(!dump.windows(16).any(|window| window == &encoded.as_bytes()[..16]));
}

#[tokio::test]
async fn agents_are_read_beside_a_running_registry_and_where_there_is_none_nothing_is_made() {
    let (place, clock) = (Place::new(), TestClock::new());
    for _ in 0..2 {
        assert!(Registry::stored_agents(&place.database).await.unwrap().is_none());
    }
    let registry = open(&place, &clock).await;
    let made = registry.upsert_agents(&agents("[[agents]]\nname = \"x\"\n")).await.unwrap();
    assert_eq!(Registry::stored_agents(&place.database).await.unwrap(), Some(made));
}

#[tokio::test]
async fn many_processes_at_once_number_every_change_of_a_price_once() {
    let (place, clock) = (Place::new(), TestClock::new());
    let mut tasks = tokio::task::JoinSet::new();
    for process in 1..=4 {
        let registry = open(&place, &clock).await;
        tasks.spawn(async move {
            let mut versions = Vec::new();
            for change in 1..=5 {
                let price = format!("${process}.{change}");
                versions.push(registry.apply(&catalog(&[("a", &price)]), START).await.unwrap().version());
            }
            versions
        });
    }
    let mut versions: Vec<u64> = tasks.join_all().await.into_iter().flatten().collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=20).collect::<Vec<u64>>());
}
