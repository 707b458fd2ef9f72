//! Moments in a query: RFC 3339, or a day.

use std::borrow::Cow;

use domain::UnixMillis;

use crate::problem::Problem;

/// `2027-01-31T00:00:00Z`, or `2027-01-31` for its beginning, UTC.
pub(crate) fn parse(text: &str) -> Result<UnixMillis, Problem> {
    let is_day = text.len() == "2027-01-31".len();
    let text = if is_day { Cow::Owned(format!("{text}T00:00:00Z")) } else { Cow::Borrowed(text) };
    UnixMillis::parse(&text).ok_or_else(|| {
        Problem::Parameter(
            "a time must be RFC 3339, such as 2027-01-31T00:00:00Z, or a day, such as 2027-01-31".to_owned(),
        )
    })
}

/// From one to another: `to` is now and `from` so many milliseconds before it where nobody says.
pub(crate) fn span(
    from: Option<&str>,
    to: Option<&str>,
    (now, lasting): (UnixMillis, i64),
) -> Result<(UnixMillis, UnixMillis), Problem> {
    let to = to.map(parse).transpose()?.unwrap_or(now);
    let from = from.map(parse).transpose()?.unwrap_or_else(|| to.plus(-lasting));
    if from < to { Ok((from, to)) } else { Err(Problem::Parameter("from must be before to".to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_its_beginning_in_utc() {
        let parsed = |text: &str| parse(text).ok().map(|moment| moment.0);
        assert_eq!(parsed("1970-01-02"), Some(86_400_000));
        assert_eq!(parsed("1970-01-02T01:00:00+01:00"), Some(86_400_000));
        assert_eq!(parsed("1970-01-02T00:00"), None);
        assert_eq!(parsed("yesterday"), None);
    }

    #[test]
    fn a_span_has_a_beginning_before_its_end() {
        let now = (UnixMillis(10_000), 1_000);
        assert_eq!(span(None, None, now).ok(), Some((UnixMillis(9_000), UnixMillis(10_000))));
        assert!(span(Some("1970-01-02"), Some("1970-01-02"), now).is_err());
    }
}
