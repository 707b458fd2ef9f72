//! [`PolicyPatch`]: a part of a spending policy, put in the place of what was there.

use domain::SpendingPolicy;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{LimitBody, PolicyBody, policy};
use crate::body::given;
use crate::control::ControlState;
use crate::fields::Fields;

/// A JSON merge patch (RFC 7396) of a policy: what is given replaces, null takes away, the rest stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyPatch {
    /// The most one call may cost, such as `$0.05`.
    #[serde(default, deserialize_with = "given")]
    per_request: Option<Option<String>>,
    /// The most from one full hour to the next, UTC.
    #[serde(default, deserialize_with = "given")]
    per_hour: Option<Option<String>>,
    /// The most from midnight to midnight, UTC.
    #[serde(default, deserialize_with = "given")]
    per_day: Option<Option<String>>,
    /// The most in a calendar month, UTC.
    #[serde(default, deserialize_with = "given")]
    per_month: Option<Option<String>>,
    /// All limits on routes, providers and categories, at most 16; each counts from when it is set.
    #[serde(default, deserialize_with = "given")]
    limits: Option<Option<Vec<LimitBody>>>,
    /// The only routes that may be paid, by name, at most 256.
    #[serde(default, deserialize_with = "given")]
    routes: Option<Option<Vec<String>>>,
    /// The only providers that may be paid, by name, at most 256.
    #[serde(default, deserialize_with = "given")]
    providers: Option<Option<Vec<String>>>,
    /// From when on nothing may be paid.
    #[serde(default, deserialize_with = "given")]
    expires_at: Option<Option<String>>,
}

// === impl PolicyPatch ===

impl PolicyPatch {
    /// What it makes of a policy. Only what is given is read: what was there stays as it is, though it would not be let in today.
    pub(crate) fn read(
        self,
        state: &ControlState,
        fields: &mut Fields,
    ) -> impl FnOnce(&mut SpendingPolicy) + use<> {
        let Self { per_request, per_hour, per_day, per_month, limits, routes, providers, expires_at } = self;
        let given = [
            per_request.is_some(),
            per_hour.is_some(),
            per_day.is_some(),
            per_month.is_some(),
            limits.is_some(),
            routes.is_some(),
            providers.is_some(),
            expires_at.is_some(),
        ];
        let body = PolicyBody {
            per_request: per_request.flatten(),
            per_hour: per_hour.flatten(),
            per_day: per_day.flatten(),
            per_month: per_month.flatten(),
            limits: limits.flatten().unwrap_or_default(),
            routes: routes.flatten(),
            providers: providers.flatten(),
            expires_at: expires_at.flatten(),
        };
        let new = policy(state, fields, "", &body);
        move |known| {
            let [per_request, per_hour, per_day, per_month, limits, routes, providers, expires_at] = given;
            put(&mut known.per_request, per_request, new.per_request);
            put(&mut known.per_hour, per_hour, new.per_hour);
            put(&mut known.per_day, per_day, new.per_day);
            put(&mut known.per_month, per_month, new.per_month);
            put(&mut known.limits, limits, new.limits);
            put(&mut known.routes, routes, new.routes);
            put(&mut known.providers, providers, new.providers);
            put(&mut known.expires_at, expires_at, new.expires_at);
        }
    }
}

fn put<T>(known: &mut T, is_given: bool, new: T) {
    if is_given {
        *known = new;
    }
}
