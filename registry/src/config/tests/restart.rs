//! What a changed file says that only a restart can put in force.

use super::{SMALL, parse};

#[test]
fn sections_that_only_a_restart_reads_are_named() {
    let (one, other) = (parse(SMALL).unwrap().config, parse(&format!("{SMALL}[shutdown]\ngrace = \"9s\"\n")));
    assert_eq!(other.unwrap().config.needs_restart(&one), ["shutdown"]);
    let later = parse(&format!("{SMALL}[settlement]\ninterval = \"5m\"\n")).unwrap().config;
    assert_eq!(later.needs_restart(&one), ["settlement"]);
    let network = "[[networks]]\nid = \"eip155:8453\"\nrpc = [\"https://n\"]\n[[networks.facilitators]]\nurl = \"https://f\"\n";
    assert_eq!(parse(&format!("{SMALL}{network}")).unwrap().config.needs_restart(&one), ["networks"]);
    let repriced = parse(&SMALL.replace("$0.01", "$0.02")).unwrap().config;
    assert!(repriced.needs_restart(&one).is_empty());
}
