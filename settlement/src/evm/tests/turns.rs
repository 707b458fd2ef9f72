//! Who keeps a turn that is of no use to it.

use std::sync::atomic::AtomicBool;

use tokio::sync::watch;
use tokio::time::Instant;

use super::*;
use crate::duty::Duty;
use crate::evm::turns::keeps_failing;

/// Longer than a turn lasts.
const LASTED: Duration = Duration::from_secs(5);

/// A turn that is always to be had; when it was asked for.
struct Asked {
    at: Arc<Mutex<Vec<Instant>>>,
    is_shared: bool,
}

#[async_trait]
impl Duty for Asked {
    async fn is_ours(&self) -> bool {
        self.at.lock().push(Instant::now());
        true
    }

    fn is_shared(&self) -> bool {
        self.is_shared
    }
}

/// The longest time for which nobody asked, of a process whose node never answers.
async fn longest_rest(is_shared: bool) -> Duration {
    let (_node, settler, task, _outbox) = sender(Act::Reset).await;
    let at = Arc::new(Mutex::new(Vec::new()));
    let (_stop, stopped) = watch::channel(false);
    tokio::time::pause();
    let running = tokio::spawn(task.on_duty(Arc::new(Asked { at: Arc::clone(&at), is_shared })).run(stopped));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!settler.is_available());
    running.abort();
    let at = at.lock();
    at.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap()
}

#[tokio::test]
async fn whoever_cannot_send_leaves_its_turn_for_as_long_as_one_lasts_and_asks_again() {
    let rest = longest_rest(true).await;
    assert!(rest > LASTED, "{rest:?}");
}

#[tokio::test]
async fn whoever_is_alone_gives_its_turn_to_nobody() {
    let rest = longest_rest(false).await;
    assert!(rest < LASTED, "{rest:?}");
}

#[tokio::test]
async fn whoever_is_slow_and_does_not_fail_keeps_its_turn() {
    tokio::time::pause();
    let given_away = async |failing: bool| {
        let failing = AtomicBool::new(failing);
        tokio::time::timeout(Duration::from_secs(600), keeps_failing(&failing)).await.is_ok()
    };
    assert_eq!((given_away(false).await, given_away(true).await), (false, true));
}
