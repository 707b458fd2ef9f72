//! The likeliest reason why no route answers. Guesses; the router alone decides.

use std::sync::Arc;

use domain::CanonicalPath;
use domain::catalog::{Catalog, Route};
use domain::pattern::PathPattern;

/// One sentence for people.
pub(super) fn no_route(catalog: &Catalog, method: &str, host: &str, path: &CanonicalPath) -> String {
    let hosts = |route: &Route| catalog.provider(route.provider).map_or(&[][..], |provider| &provider.hosts);
    let is_named =
        catalog.providers().iter().any(|provider| provider.hosts.iter().any(|named| named == host));
    let is_here = |route: &Route| match hosts(route) {
        [] => !is_named,
        named => named.iter().any(|named| named == host),
    };
    let (here, elsewhere): (Vec<&Arc<Route>>, Vec<&Arc<Route>>) =
        catalog.routes().iter().partition(|route| is_here(route));
    if let Some(route) = here.iter().find(|route| is_respelled(route, path)) {
        return format!(
            "the route `{}` is written `{}`: case and a trailing slash count",
            route.name, route.pattern
        );
    }
    if let Some(route) = here.iter().find(|route| route.pattern.matches(path)) {
        return format!("the route `{}` has this path, but does not answer {method}", route.name);
    }
    match elsewhere.iter().find(|route| route.pattern.matches(path)) {
        Some(route) if hosts(route).is_empty() => {
            format!(
                "the route `{}` is not served on `{host}`, which another provider named for itself",
                route.name
            )
        }
        Some(route) => {
            format!("the route `{}` has this path, but only on {}", route.name, hosts(route).join(", "))
        }
        None => "no route has this path".to_owned(),
    }
}

/// Whether the path is the one of a priced route in another case, or with a slash too many. Such a path has no route.
fn is_respelled(route: &Route, path: &CanonicalPath) -> bool {
    if !route.is_priced() || route.pattern.matches(path) {
        return false;
    }
    let lower = |segment: &str| {
        if segment.starts_with('{') { segment.to_owned() } else { segment.to_lowercase() }
    };
    let pattern =
        route.pattern.as_str().trim_end_matches('/').split('/').map(lower).collect::<Vec<_>>().join("/");
    let spelled = CanonicalPath::parse(path.as_str().trim_end_matches('/').to_lowercase().as_bytes());
    matches!((PathPattern::parse(&pattern), spelled), (Ok(pattern), Ok(path)) if pattern.matches(&path))
}
