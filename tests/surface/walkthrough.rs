//! `docs/walkthrough.md`, every command as it is printed, in one shell as a reader has it.

use tests::walkthrough::Walkthrough;

#[tokio::test(flavor = "multi_thread")]
async fn the_walkthrough_does_what_it_says_line_by_line() {
    let out = Walkthrough::of("walkthrough.md").run("walk/gateway.log").await;
    assert!(out.contains("the books balance"), "it ends with the audit: {out}");
}
