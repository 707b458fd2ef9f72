//! The list of captured payments, by whom, to whom, for what, when, and what became of them.
//!
//! The order of payments is their number. Agents and providers have an index, times are places in the order, refunds lead to
//! their payments; whatever else is asked is looked for in [`SCAN_MAX`] rows, and the page says where it stopped.

use std::sync::Arc;

use domain::{AgentId, Amount, SettlementId, UnixMillis, WalletId};
use sqlx::AssertSqlSafe;

use super::{Listed, Order, Page, accounts, seek};
use crate::account::{PaymentRecord, PaymentState};
use crate::books::rows::{PaymentColumns, payments};
use crate::books::session::{Session, on_either};

/// Rows looked at for one page, where no index has what is asked for: in all places together. Each may be a read of the disk.
const SCAN_MAX: i64 = 2_500;

/// What is asked of a payment: whether something of it was given back, or all, or it was written off, or its value is still to move. The
/// offsets keep PostgreSQL from making joins of them, in which rows would come in no order and a page would lose some.
const GIVEN_BACK: &str = "exists (select 1 from refund r where r.payment = p.seq limit 1 offset 0)";
const GIVEN_BACK_WHOLE: &str =
    "exists (select 1 from refund r where r.payment = p.seq and r.remains = 0 limit 1 offset 0)";
const WRITTEN_OFF: &str =
    "exists (select 1 from refund r where r.payment = p.seq and r.reason = 'written_off' limit 1 offset 0)";
const DUE: &str =
    "exists (select 1 from intent i where i.payment = p.id and i.closed is null limit 1 offset 0)";

/// Agents that are looked up one by one.
const AGENTS_MAX: usize = 64;

/// Which payments are wanted: those that fit all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaymentFilter {
    /// Of one of these; none is named: of anybody.
    pub agents: Vec<AgentId>,
    /// From this wallet. Its agents find them faster.
    pub wallet: Option<WalletId>,
    /// To this provider.
    pub provider: Option<Arc<str>>,
    /// For this route.
    pub route: Option<Arc<str>>,
    /// In this state.
    pub state: Option<PaymentState>,
    /// Only those whose value is still to move on a public network, or may still be undone there.
    pub is_due: bool,
    /// Members of this settlement.
    pub settlement: Option<SettlementId>,
    /// With a number from the first to the second of these.
    pub numbers: Option<(i64, i64)>,
    /// Captured at this time or later.
    pub from: Option<UnixMillis>,
    /// Captured before this time.
    pub until: Option<UnixMillis>,
    /// That took this much or more.
    pub at_least: Option<Amount>,
}

/// Where to look: texts of conditions, of rows with a number above `low` and below `high`.
struct Search {
    /// What an index serves: one place to look each.
    places: Vec<Place>,
    /// What each row is asked. Names are accounts' numbers and hex digits, made here.
    conditions: Vec<String>,
    route: Option<Arc<str>>,
    low: i64,
    high: i64,
}

enum Place {
    All,
    Provider(i64),
    Agent(AgentId),
    Refunds,
}

/// Numbers found in one place, in order, and the last one that was looked at, where more may lie behind it.
struct Found {
    numbers: Vec<i64>,
    end: Option<i64>,
}

/// A page of payments.
pub(crate) async fn list(
    session: &mut Session<'_>,
    filter: &PaymentFilter,
    page: &Page<i64>,
) -> Result<Listed<PaymentRecord, i64>, sqlx::Error> {
    let Some(search) = Search::begin(session, filter, page).await? else {
        return Ok(Listed { items: Vec::new(), next: None });
    };
    let mut numbers = Vec::new();
    let mut end: Option<i64> = None;
    for place in &search.places {
        let found = search.look(session, place, page).await?;
        numbers.extend(found.numbers);
        // What lies behind the nearest end was not looked at everywhere.
        end = match (end, found.end, page.order) {
            (Some(one), Some(other), Order::Newest) => Some(one.max(other)),
            (Some(one), Some(other), Order::Oldest) => Some(one.min(other)),
            (one, other, _) => one.or(other),
        };
    }
    match page.order {
        Order::Newest => numbers.sort_unstable_by(|one, other| other.cmp(one)),
        Order::Oldest => numbers.sort_unstable(),
    }
    numbers.retain(|number| match (end, page.order) {
        (None, _) => true,
        (Some(end), Order::Newest) => *number >= end,
        (Some(end), Order::Oldest) => *number <= end,
    });
    let Listed { items: numbers, next } = page.listed(numbers, |number| *number);
    let items = load(session, &numbers, page.order).await?;
    Ok(Listed { items, next: next.or(end) })
}

/// How the database would look for a page: a line a step.
#[cfg(test)]
pub(crate) async fn plan(
    session: &mut Session<'_>,
    filter: &PaymentFilter,
    page: &Page<i64>,
) -> Result<Vec<String>, sqlx::Error> {
    use sqlx::Row;

    let Some(search) = Search::begin(session, filter, page).await? else { return Ok(Vec::new()) };
    let mut lines = Vec::new();
    for place in &search.places {
        let (text, bounds) = (search.text(place, page), (search.low, search.high, search.scan(page)));
        let route = search.route.as_deref().unwrap_or_default();
        match session {
            Session::Sqlite(connection) => {
                let query = sqlx::query(AssertSqlSafe(format!("explain query plan {text}")));
                let query = query.bind(bounds.0).bind(bounds.1).bind(bounds.2).bind(route);
                let rows = query.fetch_all(&mut **connection).await?;
                lines.extend(rows.iter().map(|row| row.get::<String, _>("detail")));
            }
            Session::Postgres(connection) => {
                // Small tables are read whole where that is allowed, whatever indices they have.
                for setting in ["set enable_seqscan = off", "set enable_bitmapscan = off"] {
                    sqlx::query(setting).execute(&mut **connection).await?;
                }
                let text = text.replace("$1", &bounds.0.to_string()).replace("$2", &bounds.1.to_string());
                let text = text.replace("$3", &bounds.2.to_string()).replace("$4", &format!("'{route}'"));
                let query = sqlx::query_scalar(AssertSqlSafe(format!("explain {text}")));
                lines.extend(query.fetch_all(&mut **connection).await?);
            }
        }
    }
    Ok(lines)
}

/// The rows of these numbers.
async fn load(
    session: &mut Session<'_>,
    numbers: &[i64],
    order: Order,
) -> Result<Vec<PaymentRecord>, sqlx::Error> {
    let list: Vec<String> = numbers.iter().map(i64::to_string).collect();
    let list = format!("[{}]", list.join(","));
    let newest = concat!(
        payments!(),
        "where p.seq in (select cast(value as bigint) from json_each($1)) order by p.seq desc"
    );
    let oldest = concat!(
        payments!(),
        "where p.seq in (select cast(value as bigint) from json_each($1)) order by p.seq"
    );
    let text = if order == Order::Newest { newest } else { oldest };
    let rows: Vec<PaymentColumns> = on_either!(session, c => sqlx::query_as(text).bind(list).fetch_all(c))?;
    rows.into_iter().map(|row| Ok(row.record()?)).collect()
}

/// An agent's name as a constant of either database.
fn unhexed(agent: &AgentId) -> String {
    let digits: String = agent.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("unhex('{digits}')")
}

// === impl Search ===

impl Search {
    /// None: nothing fits.
    async fn begin(
        session: &mut Session<'_>,
        filter: &PaymentFilter,
        page: &Page<i64>,
    ) -> Result<Option<Self>, sqlx::Error> {
        let (first, last) = filter.numbers.unwrap_or((1, i64::MAX));
        let (mut low, mut high) = (first.saturating_sub(1).max(0), last.saturating_add(1));
        if let Some(from) = filter.from {
            low = low.max(seek::first_at(session, from).await? - 1);
        }
        if let Some(until) = filter.until {
            high = high.min(seek::first_at(session, until).await?);
        }
        match (page.after, page.order) {
            (Some(after), Order::Newest) => high = high.min(after),
            (Some(after), Order::Oldest) => low = low.max(after),
            (None, _) => {}
        }
        let mut provider = match &filter.provider {
            Some(name) => Some(accounts::earning(session, name).await?),
            None => None,
        };
        if provider.as_ref().is_some_and(Vec::is_empty) {
            return Ok(None);
        }
        if let Some(settlement) = filter.settlement {
            let text = "select provider, since, cut from settlement where id = $1";
            let key = settlement.as_bytes().to_vec();
            let found: Option<(i64, i64, i64)> =
                on_either!(session, c => sqlx::query_as(text).bind(key).fetch_optional(c))?;
            let Some((account, since, cut)) = found else { return Ok(None) };
            if provider.replace(vec![account]).is_some_and(|own| !own.contains(&account)) {
                return Ok(None);
            }
            (low, high) = (low.max(since), high.min(cut.saturating_add(1)));
        }
        let mut search =
            Self { places: Vec::new(), conditions: Vec::new(), route: filter.route.clone(), low, high };
        if let Some(wallet) = filter.wallet {
            let Some(account) = accounts::of_wallet(session, wallet).await? else { return Ok(None) };
            search.conditions.push(format!("p.wallet = {account}"));
        }
        if let Some(amount) = filter.at_least {
            search.ask(format!("p.gross >= {}", amount.atomic()));
        }
        search.place(filter, provider.as_deref());
        Ok(Some(search))
    }

    /// The place that has the fewest rows to look at; all else becomes a condition.
    fn place(&mut self, filter: &PaymentFilter, provider: Option<&[i64]>) {
        match filter.state {
            None => {}
            Some(PaymentState::Captured) => self.ask(format!("not {GIVEN_BACK}")),
            Some(PaymentState::Refunded) => {
                self.ask(GIVEN_BACK_WHOLE.to_owned());
                self.ask(format!("not {WRITTEN_OFF}"));
            }
            Some(PaymentState::PartlyRefunded) => self.ask(format!("not {GIVEN_BACK_WHOLE}")),
            Some(PaymentState::WrittenOff) => self.ask(WRITTEN_OFF.to_owned()),
        }
        if filter.is_due {
            self.ask(DUE.to_owned());
        }
        // What is written off is given back.
        let is_refunded = filter.state.is_some_and(|state| state != PaymentState::Captured);
        let many = filter.agents.len() > AGENTS_MAX;
        if is_refunded {
            self.places.push(Place::Refunds);
        } else if !filter.agents.is_empty() && !many {
            self.places.extend(filter.agents.iter().copied().map(Place::Agent));
        } else if let Some(accounts) = provider {
            self.places.extend(accounts.iter().copied().map(Place::Provider));
        } else {
            self.places.push(Place::All);
        }
        if let Some(accounts) = provider.filter(|_| !matches!(self.places[..], [Place::Provider(_), ..])) {
            self.ask(format!("p.provider in ({})", accounts::listed(accounts)));
        }
        if !filter.agents.is_empty() && !matches!(self.places[..], [Place::Agent(_), ..]) {
            // Constants and no subquery, of which PostgreSQL would make a join: see [`DUE`].
            let agents: Vec<String> = filter.agents.iter().map(unhexed).collect();
            self.ask(format!("p.agent in ({})", agents.join(",")));
        }
        if self.route.is_some() {
            self.ask("p.route = $4".to_owned());
        }
    }

    fn ask(&mut self, condition: String) {
        self.conditions.push(condition);
    }

    /// Rows looked at in one place: each gets its share, and never less than a page.
    fn scan(&self, page: &Page<i64>) -> i64 {
        let places = i64::try_from(self.places.len().max(1)).unwrap_or(SCAN_MAX);
        (SCAN_MAX / places).max(page.asked())
    }

    /// The numbers of one page in one place.
    async fn look(
        &self,
        session: &mut Session<'_>,
        place: &Place,
        page: &Page<i64>,
    ) -> Result<Found, sqlx::Error> {
        let scan = if self.conditions.is_empty() { page.asked() } else { self.scan(page) };
        let text = self.text(place, page);
        let numbers: Vec<i64> = on_either!(session, c => {
            // Made of constants, numbers and hex digits; few texts come twice.
            let query = sqlx::query_scalar(AssertSqlSafe(text)).persistent(false);
            let query = query.bind(self.low).bind(self.high).bind(scan);
            match &self.route {
                Some(route) => query.bind(route.to_string()).fetch_all(c),
                None => query.fetch_all(c),
            }
        })?;
        let full = i64::try_from(numbers.len()).is_ok_and(|count| count >= page.asked());
        let end = match numbers.last() {
            Some(last) if full => Some(*last),
            _ if self.conditions.is_empty() => None,
            _ => self.end(session, &place.rows(page.order), page.order, scan).await?,
        };
        Ok(Found { numbers, end })
    }

    /// `$1` above, `$2` below, `$3` how many are looked at, `$4` the route. The rows come in their order, and the first that
    /// fit are enough: nothing is sorted again.
    fn text(&self, place: &Place, page: &Page<i64>) -> String {
        let (rows, limit) = (place.rows(page.order), page.asked());
        if self.conditions.is_empty() {
            return rows;
        }
        let conditions = self.conditions.join(" and ");
        match place {
            // Row by row, which the offset makes PostgreSQL keep to: no join reads all payments.
            Place::Refunds | Place::Agent(_) => format!(
                "select found.seq from ({rows}) found where exists
                 (select 1 from payment p where p.seq = found.seq and {conditions} limit 1 offset 0) limit {limit}"
            ),
            _ => {
                let rows = rows.replacen("select seq", "select seq, id, agent, wallet, provider, route, gross", 1);
                format!("select p.seq from ({rows}) p where {conditions} limit {limit}")
            }
        }
    }

    /// The last row that was looked at, where there are more.
    async fn end(
        &self,
        session: &mut Session<'_>,
        rows: &str,
        order: Order,
        scan: i64,
    ) -> Result<Option<i64>, sqlx::Error> {
        let last = if order == Order::Newest { "min" } else { "max" };
        let text = format!("select count(*), {last}(seq) from ({rows}) found");
        let (count, end): (i64, Option<i64>) = on_either!(session, c => {
            let query = sqlx::query_as(AssertSqlSafe(text)).persistent(false);
            query.bind(self.low).bind(self.high).bind(scan).fetch_one(c)
        })?;
        Ok(end.filter(|_| count >= scan))
    }
}

// === impl Place ===

impl Place {
    /// `$1` above, `$2` below, `$3` how many.
    fn rows(&self, order: Order) -> String {
        let direction = order.direction();
        let ordered = |column: &str| {
            format!("and {column} > $1 and {column} < $2 order by {column} {direction} limit $3")
        };
        let payments = |whose: &str| format!("select seq from payment where {whose} {}", ordered("seq"));
        match self {
            Self::All => payments("1 = 1"),
            Self::Provider(account) => payments(&format!("provider = {account}")),
            Self::Agent(agent) => {
                format!(
                    "select seq from payment_of_agent where agent = {} {}",
                    unhexed(agent),
                    ordered("seq")
                )
            }
            Self::Refunds => {
                format!("select distinct payment as seq from refund where 1 = 1 {}", ordered("payment"))
            }
        }
    }
}
