//! Lists and reports: what is read of the committed rows beside the writer, on connections of their own.
//!
//! Lists go by cursor, newest first unless asked otherwise, at most [`PAGE_MAX`] at a time. Nothing here scans all
//! payments: a list that an index cannot serve looks at so many rows and gives a short page with a cursor. Next: [`payments`]
//! for the largest table, [`closing`] for what a settlement is made of, [`changes`] for whoever follows the books.

mod accounts;
pub(crate) mod changes;
pub(crate) mod closing;
pub(crate) mod intents;
pub(crate) mod lists;
pub(crate) mod outgoing;
pub(crate) mod payments;
pub(crate) mod position;
mod reader;
pub(crate) mod seek;
pub(crate) mod shares;
pub(crate) mod suspended;
pub(crate) mod usage;
pub(crate) mod verdicts;

use std::future::Future;
use std::time::Duration;

use crate::account::{PaymentRecord, Refunded};
use crate::deliveries::DeliveryState;
use crate::error::LedgerError;
use crate::reads::read_error;
use crate::settlement::{Payout, Settlement};

/// Items of one page at most; a larger limit means this one.
pub const PAGE_MAX: usize = 1_000;

/// How long a report may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which items of a list are wanted; `C` is the list's cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<C> {
    /// Those behind this one, as [`Listed::next`] gave it; none: from the beginning.
    pub after: Option<C>,
    /// How many at most.
    pub limit: usize,
    /// Where the beginning is.
    pub order: Order,
}

/// Where a list begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// With the last one.
    #[default]
    Newest,
    /// With the first one.
    Oldest,
}

/// A page of a list. One that was filtered may be short, or empty, with more behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T, C> {
    /// In order.
    pub items: Vec<T>,
    /// Where the next page begins; none: there is no more.
    pub next: Option<C>,
}

/// All that is known of one captured payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Held and captured.
    pub payment: PaymentRecord,
    /// What is known of its delivery now.
    pub delivery: DeliveryState,
    /// Given back, in order.
    pub refunds: Vec<Refunded>,
    /// The settlement that it is a member of.
    pub settlement: Option<Settlement>,
    /// That settlement's payout.
    pub payout: Option<Payout>,
}

// === impl Page ===

impl<C> Page<C> {
    /// The first page, newest first.
    #[must_use]
    pub const fn first(limit: usize) -> Self {
        Self { after: None, limit, order: Order::Newest }
    }

    fn limit(&self) -> usize {
        self.limit.clamp(1, PAGE_MAX)
    }

    /// One more than fits: whether there is a next page.
    fn asked(&self) -> i64 {
        i64::try_from(self.limit() + 1).unwrap_or(i64::MAX)
    }

    /// A page of what was read: `asked` items or all there are.
    fn listed<T>(&self, mut items: Vec<T>, cursor: impl Fn(&T) -> C) -> Listed<T, C> {
        let more = items.len() > self.limit();
        items.truncate(self.limit());
        let next = items.last().filter(|_| more).map(cursor);
        Listed { items, next }
    }
}

impl<C> Default for Page<C> {
    fn default() -> Self {
        Self::first(100)
    }
}

// === impl Order ===

impl Order {
    const fn direction(self) -> &'static str {
        match self {
            Self::Newest => "desc",
            Self::Oldest => "asc",
        }
    }

    /// What lies behind a cursor, compared to it.
    const fn behind(self) -> &'static str {
        match self {
            Self::Newest => "<",
            Self::Oldest => ">",
        }
    }
}

/// Awaits a report, but not for ever.
pub(crate) async fn within<T>(
    report: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, LedgerError> {
    let report = tokio::time::timeout(PATIENCE, report).await;
    report.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(read_error)
}
