//! H5: every way a file is replaced is seen, once, and what must not be applied is not.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

/// Longest wait for an event: a failed test, not a slow one.
const PATIENCE: Duration = Duration::from_secs(20);

struct Rig {
    directory: TempDir,
    path: PathBuf,
    reload: Reload,
    events: mpsc::Receiver<Event>,
}

fn text(routes: &[&str], price: &str) -> String {
    let head = "[[providers]]\nname = \"acme\"\nupstream = { addresses = [\"http://127.0.0.1:1\"] }\n";
    let route = |name: &&str| {
        format!("[[providers.routes]]\nname = \"{name}\"\npath = \"/{name}\"\nprice = \"{price}\"\n")
    };
    head.to_owned() + &routes.iter().map(route).collect::<String>()
}

fn one(price: &str) -> String {
    text(&["a"], price)
}

impl Rig {
    /// Watches `name` in a new directory, made by `make`.
    fn start(name: &str, make: impl FnOnce(&Path)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        make(directory.path());
        let path = directory.path().join(name);
        let mut settings = Settings::new(path.clone(), Environment::default());
        settings.interval = Duration::from_millis(5);
        settings.settle = Duration::from_millis(100);
        settings.again = Duration::from_millis(5);
        let loaded = Config::load_with(&path, &settings.environment).unwrap();
        let (watch, reload, events) = Watch::new(settings, &loaded);
        tokio::spawn(watch.run());
        Self { directory, path, reload, events }
    }

    fn with(text: &str) -> Self {
        Self::start("faregate.toml", |directory| fs::write(directory.join("faregate.toml"), text).unwrap())
    }

    async fn event(&mut self) -> Event {
        time::timeout(PATIENCE, self.events.recv()).await.expect("an event in time").expect("the watch runs")
    }

    async fn price(&mut self) -> String {
        match self.event().await {
            Event::Loaded(Found { loaded, .. }, verdict) => {
                verdict.send(Verdict::InForce).unwrap();
                loaded.config.catalog.routes[0].price.maximum().unwrap().to_string()
            }
            Event::Refused(refusal) => panic!("{refusal}"),
        }
    }

    /// The routes of a file of which this became.
    async fn routes(&mut self, verdict: Verdict) -> usize {
        let Event::Loaded(Found { loaded, .. }, told) = self.event().await else { panic!("refused") };
        told.send(verdict).unwrap();
        loaded.config.catalog.routes.len()
    }

    async fn refusal(&mut self) -> Refusal {
        match self.event().await {
            Event::Refused(refusal) => refusal,
            Event::Loaded(..) => panic!("applied"),
        }
    }

    fn path_of(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

#[tokio::test]
async fn h5_an_edit_in_place_is_seen_also_of_the_same_length() {
    let mut rig = Rig::with(&one("$1"));
    fs::write(&rig.path, one("$2")).unwrap();
    assert_eq!(rig.price().await, "$2.00");
    fs::write(&rig.path, one("$3")).unwrap();
    assert_eq!(rig.price().await, "$3.00");
}

#[tokio::test]
async fn h5_a_rename_over_the_file_is_seen() {
    let mut rig = Rig::with(&one("$1"));
    let next = rig.path_of("next");
    fs::write(&next, one("$2")).unwrap();
    fs::rename(&next, &rig.path).unwrap();
    assert_eq!(rig.price().await, "$2.00");
}

#[tokio::test]
async fn h5_a_swapped_link_to_a_directory_is_seen() {
    // As Kubernetes mounts a ConfigMap: the file is a link through a directory that is swapped whole.
    let mut rig = Rig::start("faregate.toml", |directory| {
        for (version, price) in [("v1", "$1"), ("v2", "$2")] {
            fs::create_dir(directory.join(version)).unwrap();
            fs::write(directory.join(version).join("faregate.toml"), one(price)).unwrap();
        }
        symlink("v1", directory.join("data")).unwrap();
        symlink("data/faregate.toml", directory.join("faregate.toml")).unwrap();
    });
    symlink("v2", rig.path_of("swap")).unwrap();
    fs::rename(rig.path_of("swap"), rig.path_of("data")).unwrap();
    assert_eq!(rig.price().await, "$2.00");
}

#[tokio::test]
async fn h2_a_bad_file_is_refused_and_the_next_good_one_applied() {
    let mut rig = Rig::with(&one("$1"));
    fs::write(&rig.path, one("$1.00000000001")).unwrap();
    let Refusal::Invalid(errors) = rig.refusal().await else { panic!("not invalid") };
    assert_eq!(errors.iter().map(|error| error.line()).collect::<Vec<_>>(), [Some(7)]);
    fs::write(&rig.path, one("$2")).unwrap();
    assert_eq!(rig.price().await, "$2.00");
}

#[tokio::test]
async fn what_was_told_is_not_told_again_until_the_file_changes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("faregate.toml");
    fs::write(&path, one("$1")).unwrap();
    let settings = Settings { settle: Duration::ZERO, ..Settings::new(path.clone(), Environment::default()) };
    let loaded = Config::load_with(&path, &settings.environment).unwrap();
    let (mut watch, _reload, _events) = Watch::new(settings, &loaded);
    assert!(watch.look().await.is_none());
    fs::write(&path, "nonsense").unwrap();
    assert!(matches!(watch.look().await, Some(Err(Refusal::Invalid(_)))));
    assert!(watch.look().await.is_none());
    fs::remove_file(&path).unwrap();
    assert!(matches!(watch.look().await, Some(Err(Refusal::Unreadable { .. }))));
    assert!(watch.look().await.is_none());
    fs::write(&path, one("$2")).unwrap();
    assert!(matches!(watch.look().await, Some(Ok(_))));
    assert!(watch.look().await.is_none());
}

#[test]
fn h5_a_file_that_is_still_being_written_is_not_applied() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("faregate.toml");
    fs::write(&path, one("$1")).unwrap();
    let loaded = Config::load_with(&path, &Environment::default()).unwrap();
    let (mut watch, ..) = Watch::new(Settings::new(path.clone(), Environment::default()), &loaded);
    let gone = || Refusal::Unreadable { path: path.clone(), reason: "gone".to_owned() };
    // Both halves would load.
    assert!(watch.judge(Ok(one("$2")), Ok(text(&["a", "b"], "$2"))).is_none());
    assert!(watch.judge(Err(gone()), Ok(one("$2"))).is_none());
    assert!(watch.judge(Ok(one("$2")), Err(gone())).is_none());
    assert!(matches!(watch.judge(Ok(one("$2")), Ok(one("$2"))), Some(Ok(_))));
}

#[tokio::test]
async fn a_file_that_is_gone_is_told_and_seen_when_it_is_back() {
    let mut rig = Rig::with(&one("$1"));
    fs::remove_file(&rig.path).unwrap();
    assert!(matches!(rig.refusal().await, Refusal::Unreadable { .. }));
    fs::write(rig.path_of("next"), one("$1")).unwrap();
    fs::rename(rig.path_of("next"), &rig.path).unwrap();
    assert_eq!(rig.price().await, "$1.00");
}

#[tokio::test]
async fn a_file_that_lost_more_than_half_of_its_routes_waits_for_sighup() {
    let mut rig = Rig::with(&text(&["a", "b", "c", "d"], "$1"));
    fs::write(&rig.path, text(&["a", "b"], "$1")).unwrap();
    assert_eq!(rig.price().await, "$1.00");
    fs::write(&rig.path, "").unwrap();
    assert_eq!(rig.refusal().await, Refusal::LostRoutes { lost: 2, before: 2 });
    rig.reload.now();
    let Event::Loaded(found, _) = rig.event().await else { panic!("refused") };
    assert!(found.explicit && found.loaded.config.catalog.routes.is_empty());
}

#[tokio::test]
async fn a_file_is_compared_with_what_is_in_force_not_with_what_was_refused() {
    let mut rig = Rig::with(&one("$1"));
    fs::write(&rig.path, text(&["a", "b", "c"], "$1")).unwrap();
    assert_eq!(rig.routes(Verdict::Refused).await, 3);
    fs::write(&rig.path, one("$1")).unwrap();
    assert_eq!(rig.routes(Verdict::InForce).await, 1);
}

#[tokio::test]
async fn a_file_that_met_a_database_that_did_not_work_is_tried_again_until_it_is_in_force() {
    let mut rig = Rig::with(&text(&["a", "b", "c"], "$1"));
    // What was asked for stays asked for.
    fs::write(&rig.path, one("$2")).unwrap();
    assert!(matches!(rig.refusal().await, Refusal::LostRoutes { lost: 2, before: 3 }));
    rig.reload.now();
    assert_eq!(rig.routes(Verdict::Again).await, 1);
    assert_eq!(rig.routes(Verdict::Again).await, 1);
    assert_eq!(rig.routes(Verdict::InForce).await, 1);
    // But not that of another file, whose turn it is now.
    fs::write(&rig.path, text(&["a", "b", "c", "d"], "$2")).unwrap();
    assert_eq!(rig.routes(Verdict::Again).await, 4);
    fs::write(&rig.path, one("$3")).unwrap();
    while rig.routes(Verdict::InForce).await != 1 {
        assert!(matches!(rig.refusal().await, Refusal::LostRoutes { lost: 3, before: 4 }));
        rig.reload.now();
    }
}

#[tokio::test]
async fn sighup_reads_again_what_the_file_names() {
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    fs::write(&token, "the-first-admin-token").unwrap();
    let mut rig = Rig::with(&format!("[control]\nadmin_token_file = \"{}\"\n", token.display()));
    fs::write(&token, "the-second-admin-token").unwrap();
    rig.reload.now();
    let Event::Loaded(Found { loaded, .. }, _) = rig.event().await else { panic!("refused") };
    assert_eq!(loaded.config.control.admin_token.unwrap().expose(), "the-second-admin-token");
}

#[tokio::test]
async fn the_watch_ends_when_nobody_listens() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("faregate.toml");
    fs::write(&path, one("$1")).unwrap();
    let loaded = Config::load_with(&path, &Environment::default()).unwrap();
    let (watch, _reload, events) = Watch::new(Settings::new(path, Environment::default()), &loaded);
    drop(events);
    time::timeout(PATIENCE, watch.run()).await.unwrap();
}
