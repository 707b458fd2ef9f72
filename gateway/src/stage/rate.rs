//! Rate: who calls too often is refused, with 429, before anything is held.
//!
//! A call counts once: on the agent as soon as its key or signature was verified, else on the client's address. A forged
//! key or a bad signature therefore counts on whoever sends it, and spends nothing of the agent that it names. So does the signature of a
//! payer on a public network that is not known to have had the funds: anybody makes as many keys as they like.
//!
//! Several gateways count together, in the database. Where it does not answer, an agent is refused, as it is by the hold, which
//! counts nowhere, and what comes from an address is counted by this gateway alone: it serves free routes and tells prices all the same.

use std::time::Duration;

use ledger::Ledger;
use pingora::proxy::Session;

use crate::answer::refusal::Refusal;
use crate::metrics::Metrics;
use crate::rate::{Consumer, Standing};
use crate::stage::route::Routed;

/// What was counted of a request, for the fields of its answer (draft-ietf-httpapi-ratelimit-headers).
#[derive(Debug)]
pub(crate) struct Counted {
    standings: Vec<Standing>,
}

/// Counts a call where its route has a limit, and where it was not counted yet.
///
/// # Errors
/// It is one too many, or nobody knows whether it is.
pub(crate) async fn count(
    routed: &Routed,
    consumer: Consumer,
    ledger: &Ledger,
    counted: &mut Option<Counted>,
    metrics: &Metrics,
) -> Result<(), Refusal> {
    let Some(limits) = routed.limits().filter(|_| counted.is_none()) else { return Ok(()) };
    let standings = match consumer {
        _ if !ledger.is_one_of_several() => limits.count(consumer),
        Consumer::Agent(_) => {
            limits.count_together(consumer, ledger).await.map_err(|_| Refusal::LedgerUnavailable)?
        }
        Consumer::Address(_) => {
            let counted = limits.count_together(consumer, ledger).await;
            counted.unwrap_or_else(|_| limits.count(consumer))
        }
    };
    let over = standings.iter().find_map(|standing| Some((standing.scope, standing.wait?)));
    *counted = Some(Counted { standings });
    let Some((scope, wait)) = over else { return Ok(()) };
    metrics.rate_limited(scope.name());
    Err(Refusal::RateLimited { scope, retry_after: seconds(wait).max(1) })
}

/// Where a connection comes from. What fields say of it is the client's word.
pub(crate) fn client(session: &Session) -> Consumer {
    Consumer::at(session.client_addr().and_then(|address| address.as_inet()).map(|address| address.ip()))
}

// === impl Counted ===

impl Counted {
    /// `RateLimit`: of each limit the calls that are left, and the seconds until all are.
    pub(crate) fn field(&self) -> String {
        self.list(|standing| {
            let missing = standing.limit.burst().get().saturating_sub(standing.remaining);
            let full = seconds(standing.limit.time_of(missing));
            format!("\"{}\";r={};t={full}", standing.scope.name(), standing.remaining)
        })
    }

    /// `RateLimit-Policy`: of each limit the most calls at once, and the seconds in which as many come back.
    pub(crate) fn policy_field(&self) -> String {
        self.list(|standing| {
            let window = seconds(standing.limit.fill_time()).max(1);
            format!("\"{}\";q={};w={window}", standing.scope.name(), standing.limit.burst())
        })
    }

    fn list(&self, item: impl Fn(&Standing) -> String) -> String {
        self.standings.iter().map(item).collect::<Vec<_>>().join(", ")
    }
}

/// Whole seconds, rounded up: who waits as long is let through.
pub(crate) fn seconds(time: Duration) -> u32 {
    let whole = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    u32::try_from(whole).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use domain::RateLimit;

    use super::*;
    use crate::rate::Scope;

    #[test]
    fn the_fields_are_lists_of_structured_items() {
        let limit = RateLimit::new(100, Duration::from_secs(1), 250).unwrap();
        let slow = RateLimit::new(1, Duration::from_secs(3_600), 2).unwrap();
        let standings = vec![
            Standing { scope: Scope::Route, limit, remaining: 249, wait: None },
            Standing {
                scope: Scope::Provider,
                limit: slow,
                remaining: 0,
                wait: Some(Duration::from_millis(1)),
            },
        ];
        let counted = Counted { standings };
        assert_eq!(counted.field(), "\"route\";r=249;t=1, \"provider\";r=0;t=7200");
        assert_eq!(counted.policy_field(), "\"route\";q=250;w=3, \"provider\";q=2;w=7200");
    }

    #[test]
    fn a_wait_is_rounded_up() {
        assert_eq!(seconds(Duration::ZERO), 0);
        assert_eq!(seconds(Duration::from_nanos(1)), 1);
        assert_eq!(seconds(Duration::from_millis(1_000)), 1);
        assert_eq!(seconds(Duration::from_millis(1_001)), 2);
    }
}
