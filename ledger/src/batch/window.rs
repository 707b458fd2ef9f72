//! The windows that a payment is charged to: [`HeldAt`] says when they began, [`WindowKey`] names one.

use domain::{AgentId, Amount, Scope, UnixMillis, Window, WindowLimit};

use super::PaymentRow;
use crate::hold::HoldRequest;

/// The windows that a payment is charged to: those of its hold, whenever it is captured (case R10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeldAt {
    pub(crate) at: UnixMillis,
    pub(crate) hour: UnixMillis,
    pub(crate) day: UnixMillis,
    pub(crate) month: UnixMillis,
}

/// A window beside the day and the month of everything, which a payment is always charged to: of an hour, or of a part of
/// what is sold. Charged only while a limit is set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Charged {
    pub(crate) window: Window,
    pub(crate) scope: Option<Scope>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WindowKey {
    pub(crate) agent: AgentId,
    pub(crate) window: Window,
    pub(crate) start: UnixMillis,
    /// On what; none is everything.
    pub(crate) scope: Option<Scope>,
}

/// Charged and given back apart: a store's CHECK sees no negative row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WindowChange {
    pub(crate) spent: i64,
    pub(crate) returned: i64,
    pub(crate) limit: i64,
}

// === impl HeldAt ===

impl HeldAt {
    pub(crate) fn new(at: UnixMillis) -> Self {
        let start = |window: Window| window.start(at);
        Self { at, hour: start(Window::Hour), day: start(Window::Day), month: start(Window::Month) }
    }

    pub(crate) fn key(&self, agent: AgentId, window: Window, scope: Option<Scope>) -> WindowKey {
        let start = match window {
            Window::Hour => self.hour,
            Window::Day => self.day,
            Window::Month => self.month,
        };
        WindowKey { agent, window, start, scope }
    }

    /// Every window that a hold counts for, with its limit.
    pub(crate) fn limits(&self, request: &HoldRequest) -> impl Iterator<Item = (WindowKey, Option<Amount>)> {
        let always = [(Window::Day, request.per_day), (Window::Month, request.per_month)];
        let always = always.map(|(window, limit)| (self.key(request.agent, window, None), limit));
        let while_set = request.limits.iter().map(|counted| {
            (self.key(request.agent, counted.window, counted.scope.clone()), Some(counted.limit))
        });
        always.into_iter().chain(while_set)
    }
}

// === impl WindowKey ===

impl WindowKey {
    /// Whether every payment is charged to it.
    pub(crate) fn is_always(&self) -> bool {
        self.window != Window::Hour && self.scope.is_none()
    }
}

// === impl Charged ===

impl From<&WindowLimit> for Charged {
    fn from(limit: &WindowLimit) -> Self {
        Self { window: limit.window, scope: limit.scope.clone() }
    }
}

// === impl PaymentRow ===

impl PaymentRow {
    /// Every window that it was charged to.
    pub(crate) fn windows(&self) -> impl Iterator<Item = WindowKey> {
        let held = HeldAt::new(self.held_at);
        let always = [Window::Day, Window::Month].map(|window| held.key(self.agent, window, None));
        let while_set = self.windows.iter();
        always
            .into_iter()
            .chain(while_set.map(move |charged| held.key(self.agent, charged.window, charged.scope.clone())))
    }
}
