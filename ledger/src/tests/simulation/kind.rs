//! [`Kind`]: the windows that a call's limits are on.

use domain::{Amount, Scope, UnixMillis, Window, WindowLimit};

use super::call::{Call, PROVIDERS, amount};
use super::model::{day, hour, month};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Day,
    Month,
    /// While the policy has a limit per hour.
    Hour,
    /// A day's calls of one provider, while the policy has a limit on it.
    Provider(u8),
}

// === impl Kind ===

impl Kind {
    pub(super) const ALL: [Self; 5] =
        [Self::Day, Self::Month, Self::Hour, Self::Provider(0), Self::Provider(1)];

    /// Those of a call, in the order in which they are asked.
    pub(super) fn of(call: &Call) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|kind| kind.counts(call))
    }

    /// Whether a call is charged to it.
    pub(super) fn counts(self, call: &Call) -> bool {
        match self {
            Self::Day | Self::Month => true,
            Self::Hour => call.per_hour.is_some(),
            Self::Provider(provider) => call.provider == provider && call.on_provider.is_some(),
        }
    }

    /// What a call's policy allows in it, in atomic units.
    pub(super) fn limit(self, call: &Call) -> Option<i64> {
        match self {
            Self::Day => call.per_day,
            Self::Month => call.per_month,
            Self::Hour => call.per_hour,
            Self::Provider(_) => call.on_provider,
        }
    }

    /// When the one of a point in time began.
    pub(super) fn start(self, at: UnixMillis) -> i64 {
        match self {
            Self::Day | Self::Provider(_) => day(at),
            Self::Month => month(at),
            Self::Hour => hour(at),
        }
    }

    pub(super) const fn window(self) -> Window {
        match self {
            Self::Day | Self::Provider(_) => Window::Day,
            Self::Month => Window::Month,
            Self::Hour => Window::Hour,
        }
    }

    pub(super) fn scope(self) -> Option<Scope> {
        match self {
            Self::Provider(provider) => Some(Scope::Provider(PROVIDERS[usize::from(provider)].into())),
            _ => None,
        }
    }

    /// The one of a window of the ledger.
    pub(super) fn find(window: Window, scope: Option<&Scope>) -> Self {
        let same = |kind: &Self| kind.window() == window && kind.scope().as_ref() == scope;
        Self::ALL.into_iter().find(same).expect("nobody has a limit on this")
    }
}

/// The limits of a call that count only while they are set.
pub(super) fn limits(call: &Call) -> Vec<WindowLimit> {
    let counted = |kind: Kind| {
        let limit: Amount = amount(kind.limit(call)?);
        Some(WindowLimit { scope: kind.scope(), window: kind.window(), limit })
    };
    Kind::of(call).filter(|kind| !matches!(kind, Kind::Day | Kind::Month)).filter_map(counted).collect()
}
