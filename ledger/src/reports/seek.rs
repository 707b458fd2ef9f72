//! Where in the order of payments something begins. Numbers have no gaps, and times and batches never go back along them: a
//! few looks at single rows find the place, and no index has to be kept for it.

use domain::UnixMillis;

use crate::books::session::{Session, on_either};

/// The number of the first payment that was captured at `at` or later; one behind the last where there is none.
pub(super) async fn first_at(session: &mut Session<'_>, at: UnixMillis) -> Result<i64, sqlx::Error> {
    first(session, "select captured_at from payment where seq = $1", at.0).await
}

/// The number of the first payment of a batch after this one; one behind the last where there is none.
pub(super) async fn first_behind(session: &mut Session<'_>, batch: i64) -> Result<i64, sqlx::Error> {
    first(session, "select batch from payment where seq = $1", batch.saturating_add(1)).await
}

/// The first number whose value is `least` or more.
async fn first(session: &mut Session<'_>, value: &'static str, least: i64) -> Result<i64, sqlx::Error> {
    let last: i64 = on_either!(session, c => sqlx::query_scalar("select seq from marker").fetch_one(c))?;
    let (mut low, mut high) = (1, last + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let found: Option<i64> =
            on_either!(session, c => sqlx::query_scalar(value).bind(middle).fetch_optional(c))?;
        if found.is_some_and(|found| found < least) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
