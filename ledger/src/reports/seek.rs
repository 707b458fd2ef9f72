//! Where in the order of payments a time begins. Numbers have no gaps, and times never go back along them: a few looks at single rows find the place, and no index has to be kept for it.

use domain::UnixMillis;

use crate::books::session::{Session, on_either};

/// The number of the first payment that was captured at `at` or later; one behind the last where there is none.
pub(super) async fn first_at(session: &mut Session<'_>, at: UnixMillis) -> Result<i64, sqlx::Error> {
    let last: i64 = on_either!(session, c => sqlx::query_scalar("select seq from marker").fetch_one(c))?;
    let (mut low, mut high) = (1, last + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let text = "select captured_at from payment where seq = $1";
        let found: Option<i64> =
            on_either!(session, c => sqlx::query_scalar(text).bind(middle).fetch_optional(c))?;
        if found.is_some_and(|found| found < at.0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
