//! What a failure of Pingora's means: the refusal that answers it, and the word that stands in a provider's analytics.

use pingora::{Error, ErrorSource, ErrorType};

use crate::answer::refusal::Refusal;
use crate::context::Exchange;
use crate::metrics::Outcome;
use crate::upstream::until::Until;

/// The upstream ended its answer before it was whole.
const BROKEN_OFF: &str = "broken_off";

/// The client left before it had its answer, and nothing was charged.
const CLIENT_LEFT: &str = "client_left";

/// Why a request that was forwarded, and that no refusal of ours answered, is no success; `None` where it is one.
pub(crate) fn reason(outcome: Outcome, error: Option<&Error>, status: u16) -> Option<&'static str> {
    match error.map(|error| error.esource()) {
        Some(ErrorSource::Upstream) => Some(BROKEN_OFF),
        Some(ErrorSource::Downstream) if outcome == Outcome::Voided => Some(CLIENT_LEFT),
        _ => match (outcome, status) {
            (Outcome::Free | Outcome::Voided, 500..) => Some("upstream_5xx"),
            (Outcome::Free | Outcome::Voided, 400..) => Some("upstream_4xx"),
            (Outcome::Voided, 300..) => Some("upstream_3xx"),
            (Outcome::Voided, _) => Some("not_charged"),
            _ => None,
        },
    }
}

/// We end an answer before it is whole, with no blame on the client or the upstream.
pub(crate) fn broken_off() -> Box<Error> {
    Error::explain(ErrorType::ConnectionClosed, "the gateway ends").into_in()
}

/// Whether an answer was broken off, by its upstream or by us.
pub(crate) fn is_broken_off(error: &Error) -> bool {
    *error.esource() == ErrorSource::Upstream || is_ours(error)
}

/// Whether we did.
pub(crate) fn is_ours(error: &Error) -> bool {
    matches!((error.esource(), error.etype()), (ErrorSource::Internal, ErrorType::ConnectionClosed))
}

/// What a failure of Pingora's is answered with; `None` where nobody is left to answer.
pub(crate) fn refusal_of(error: &Error, exchange: Option<&Exchange>) -> Option<Refusal> {
    let is_over = || exchange.and_then(|exchange| exchange.until.as_ref()).is_some_and(Until::is_over);
    match (error.esource(), error.etype()) {
        (
            ErrorSource::Upstream,
            ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::WriteTimedout,
        ) => Some(Refusal::UpstreamTimeout),
        (ErrorSource::Upstream, _) if is_over() => Some(Refusal::UpstreamTimeout),
        (ErrorSource::Upstream, _) => Some(Refusal::Upstream),
        (
            ErrorSource::Downstream,
            ErrorType::WriteError | ErrorType::ReadError | ErrorType::ConnectionClosed,
        ) => None,
        (
            ErrorSource::Downstream,
            ErrorType::H2Error | ErrorType::ReadTimedout | ErrorType::WriteTimedout,
        ) => None,
        (ErrorSource::Downstream, _) => Some(Refusal::MalformedField("the request is malformed".to_owned())),
        _ if is_ours(error) => None,
        _ => Some(Refusal::Internal),
    }
}
