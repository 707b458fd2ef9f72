//! [`Router`]: host, method and canonical path to one route, most specific first.
//!
//! Host first (a known host never falls through to the routes of every host), then the path segment by segment:
//! literal before parameter before rest. Beside the exact tree stands a folded one of the priced routes: a path
//! that reaches a priced route only when case, escapes or a trailing slash are ignored is matched by nothing,
//! so that no free or cheaper wildcard becomes a way around the price (DESIGN section 7).

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use crate::path::{CanonicalPath, fold};
use crate::pattern::{PathPattern, Segment};

/// A route by its place in its catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(pub u32);

/// The methods a route answers. HEAD is answered wherever GET is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Methods {
    /// All but CONNECT and TRACE, which nothing answers.
    Any,
    /// These, upper case.
    Only(Vec<String>),
}

/// One route as the router sees it.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// The route.
    pub route: RouteId,
    /// Hosts it is served on, lower case; none means every host that no other route names.
    pub hosts: &'a [String],
    /// Its methods.
    pub methods: &'a Methods,
    /// Its path.
    pub pattern: &'a PathPattern,
    /// Whether it has a price.
    pub priced: bool,
}

/// Finds the route of a request. Built once per catalog, never changed.
#[derive(Debug, Default)]
pub struct Router {
    hosts: HashMap<String, Table>,
    every_host: Table,
}

#[derive(Debug, Default)]
struct Table {
    exact: Node,
    /// Priced routes only, literals folded.
    folded: Node,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<String, Node>,
    parameter: Option<Box<Node>>,
    rest: Vec<Leaf>,
    here: Vec<Leaf>,
}

#[derive(Debug, Clone)]
struct Leaf {
    route: RouteId,
    methods: Methods,
    pattern: PathPattern,
    priced: bool,
}

// === impl Methods ===

impl Methods {
    /// Whether `method`, upper case as sent, is answered.
    #[must_use]
    pub fn accept(&self, method: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(list) => list.iter().any(|name| name == method || (name == "GET" && method == "HEAD")),
        }
    }

    fn overlap(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Only(mine), Self::Only(theirs)) => mine.iter().any(|name| theirs.contains(name)),
            _ => self == other,
        }
    }
}

// === impl Router ===

impl Router {
    /// Adds a route.
    ///
    /// # Errors
    /// The route that already answers the same host, method and pattern, or one that differs only in case.
    pub fn insert(&mut self, entry: &Entry<'_>) -> Result<(), RouteId> {
        if entry.hosts.is_empty() {
            return self.every_host.insert(entry);
        }
        for host in entry.hosts {
            self.hosts.entry(host.clone()).or_default().insert(entry)?;
        }
        Ok(())
    }

    /// The route of a request, or `None`: 404, never forwarded. `host` is lower case, without its port.
    #[must_use]
    pub fn find(&self, host: &str, method: &str, path: &CanonicalPath) -> Option<RouteId> {
        let table = self.hosts.get(host).unwrap_or(&self.every_host);
        let parts: Vec<&str> = path.segments().collect();
        let found = table.exact.find(&parts, &|leaf| leaf.methods.accept(method))?;
        if table.is_priced_spelling(method, path, found) || table.is_priced_for_other_methods(&parts, found) {
            None
        } else {
            Some(found.route)
        }
    }

    /// The methods that a path is answered for where it is not for any; none where no route has it.
    #[must_use]
    pub fn methods(&self, host: &str, path: &CanonicalPath) -> Vec<String> {
        let table = self.hosts.get(host).unwrap_or(&self.every_host);
        let parts: Vec<&str> = path.segments().collect();
        let named = RefCell::new(BTreeSet::new());
        let note = |leaf: &Leaf| {
            if let Methods::Only(list) = &leaf.methods {
                named.borrow_mut().extend(list.iter().cloned());
                // HEAD comes with GET.
                named
                    .borrow_mut()
                    .extend(list.iter().filter(|name| *name == "GET").map(|_| "HEAD".to_owned()));
            }
            false
        };
        table.exact.find(&parts, &note);
        named.into_inner().into_iter().filter(|method| self.find(host, method, path).is_some()).collect()
    }
}

// === impl Table ===

impl Table {
    fn insert(&mut self, entry: &Entry<'_>) -> Result<(), RouteId> {
        let leaf = Leaf {
            route: entry.route,
            methods: entry.methods.clone(),
            pattern: entry.pattern.clone(),
            priced: entry.priced,
        };
        self.exact.insert(entry.pattern.segments(), leaf.clone(), str::to_owned)?;
        if entry.priced {
            let mut segments = entry.pattern.segments();
            if let [before @ .., Segment::Literal(last)] = segments
                && last.is_empty()
                && !before.is_empty()
            {
                segments = before;
            }
            self.folded.insert(segments, leaf, fold)?;
        }
        Ok(())
    }

    /// Whether this path reaches another route, a priced one, when case, escapes and a trailing slash are ignored. Where a free route for
    /// any method was found, one that is priced for another method counts too, as in [`Self::is_priced_for_other_methods`].
    fn is_priced_spelling(&self, method: &str, path: &CanonicalPath, found: &Leaf) -> bool {
        let folded = path.folded();
        let parts: Vec<&str> = folded[1..].split('/').collect();
        let reaches = |accepts: &dyn Fn(&Leaf) -> bool| {
            let priced = self.folded.find(&parts, accepts).filter(|leaf| !leaf.pattern.matches(path));
            priced.is_some_and(|leaf| leaf.route != found.route)
        };
        reaches(&|leaf| leaf.methods.accept(method)) || (found.is_free_for_any() && reaches(&|_| true))
    }

    /// Whether a free route for any method stands in for a more specific one that is priced, only for other methods:
    /// many servers answer POST as they answer GET. A free route that names the method was meant.
    fn is_priced_for_other_methods(&self, parts: &[&str], found: &Leaf) -> bool {
        if !found.is_free_for_any() {
            return false;
        }
        self.exact
            .find(parts, &|leaf| leaf.priced || leaf.route == found.route)
            .is_some_and(|leaf| leaf.priced)
    }
}

// === impl Leaf ===

impl Leaf {
    /// Whether it answers every method for nothing: what names its methods was meant.
    fn is_free_for_any(&self) -> bool {
        !self.priced && self.methods == Methods::Any
    }
}

// === impl Node ===

impl Node {
    fn insert(&mut self, segments: &[Segment], leaf: Leaf, form: fn(&str) -> String) -> Result<(), RouteId> {
        let leaves = match segments {
            [] => &mut self.here,
            [Segment::Rest(_), ..] => &mut self.rest,
            [Segment::Literal(literal), after @ ..] => {
                return self.literals.entry(form(literal)).or_default().insert(after, leaf, form);
            }
            [Segment::Parameter(_), after @ ..] => {
                return self.parameter.get_or_insert_default().insert(after, leaf, form);
            }
        };
        if let Some(taken) = leaves.iter().find(|other| other.methods.overlap(&leaf.methods)) {
            return Err(taken.route);
        }
        leaves.push(leaf);
        // A route that names the method goes before one for any.
        leaves.sort_by_key(|leaf| leaf.methods == Methods::Any);
        Ok(())
    }

    /// The most specific leaf that is accepted.
    fn find(&self, parts: &[&str], accepts: &dyn Fn(&Leaf) -> bool) -> Option<&Leaf> {
        let Some((part, after)) = parts.split_first() else {
            return self.here.iter().find(|leaf| accepts(leaf));
        };
        let literal = self.literals.get(*part).and_then(|node| node.find(after, accepts));
        let parameter = || {
            let node = self.parameter.as_ref().filter(|_| !part.is_empty())?;
            node.find(after, accepts)
        };
        let rest = || {
            let something = !part.is_empty() || !after.is_empty();
            self.rest.iter().filter(|_| something).find(|leaf| accepts(leaf))
        };
        literal.or_else(parameter).or_else(rest)
    }
}

#[cfg(test)]
mod tests;
