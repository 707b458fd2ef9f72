//! Windows as the tables keep them: a period, and on what the limit is.

use domain::{Scope, Window, WindowLimit};

use super::rows::{Damaged, amount};
use crate::batch::Charged;

/// What `spend_window` calls a window.
pub(crate) const fn period(window: Window) -> i64 {
    match window {
        Window::Day => 0,
        Window::Month => 1,
        Window::Hour => 2,
    }
}

pub(crate) fn window(period: i64) -> Result<Window, Damaged> {
    match period {
        0 => Ok(Window::Day),
        1 => Ok(Window::Month),
        2 => Ok(Window::Hour),
        _ => Err(Damaged("window")),
    }
}

/// Empty for everything.
pub(crate) fn scope(scope: Option<&Scope>) -> String {
    scope.map(Scope::to_string).unwrap_or_default()
}

pub(crate) fn read_scope(text: &str) -> Result<Option<Scope>, Damaged> {
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| Damaged("scope")) }
}

/// The windows of a payment beside its day and month; none where there are none.
pub(crate) fn charged(windows: &[Charged]) -> Option<String> {
    let text = |charged: &Charged| format!("{} {}", period(charged.window), scope(charged.scope.as_ref()));
    let listed: Vec<String> = windows.iter().map(text).collect();
    // Strings always serialize.
    (!listed.is_empty()).then(|| serde_json::to_string(&listed).unwrap_or_default())
}

pub(crate) fn read_charged(text: Option<&str>) -> Result<Vec<Charged>, Damaged> {
    let damaged = || Damaged("list of windows");
    let listed: Vec<String> = text.map_or(Ok(Vec::new()), serde_json::from_str).map_err(|_| damaged())?;
    let read = |text: &String| {
        let (code, on) = text.split_once(' ').ok_or_else(damaged)?;
        let code = code.parse().map_err(|_| damaged())?;
        Ok(Charged { window: window(code)?, scope: read_scope(on)? })
    };
    listed.iter().map(read).collect()
}

/// The limits of a hold beside those of its day and month.
pub(crate) fn limits(limits: &[WindowLimit]) -> String {
    let row = |counted: &WindowLimit| {
        (period(counted.window), scope(counted.scope.as_ref()), counted.limit.atomic())
    };
    let rows: Vec<(i64, String, i64)> = limits.iter().map(row).collect();
    // Numbers and strings always serialize.
    serde_json::to_string(&rows).unwrap_or_default()
}

pub(crate) fn read_limits(text: &str) -> Result<Vec<WindowLimit>, Damaged> {
    let rows: Vec<(i64, String, i64)> = serde_json::from_str(text).map_err(|_| Damaged("limits"))?;
    let read = |(code, on, units): (i64, String, i64)| {
        Ok(WindowLimit { scope: read_scope(&on)?, window: window(code)?, limit: amount(units)? })
    };
    rows.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use domain::Amount;

    use super::*;

    #[test]
    fn limits_and_windows_are_read_as_they_were_written() {
        let listed =
            [(None, Window::Hour), (Some("route:a b"), Window::Day), (Some("category:x"), Window::Month)];
        let kept: Vec<WindowLimit> = listed
            .map(|(scope, window)| WindowLimit {
                scope: scope.map(|text| text.parse().unwrap()),
                window,
                limit: Amount::from_atomic(7).unwrap(),
            })
            .into();
        assert_eq!(read_limits(&limits(&kept)).unwrap(), kept);
        let windows: Vec<Charged> = kept.iter().map(Charged::from).collect();
        assert_eq!(read_charged(charged(&windows).as_deref()).unwrap(), windows);
        assert_eq!((charged(&[]), read_charged(None).unwrap()), (None, Vec::new()));
        for damaged in ["", "[\"3 \"]", "[\"x\"]", "[\"0 agent:x\"]"] {
            assert!(read_charged(Some(damaged)).is_err(), "{damaged}");
        }
        assert!(read_limits("[[0,\"\",-1]]").is_err());
    }
}
