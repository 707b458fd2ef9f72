//! What is said where the database is away: nothing was done, unless something was, or nobody knows.

use axum::response::IntoResponse;

use super::*;

/// Status, and whether it says that nothing was done.
fn told(problem: Problem) -> (u16, bool) {
    let said = problem.to_string();
    (problem.into_response().status().as_u16(), said.contains("nothing was done"))
}

fn of(error: StoreError) -> Problem {
    RegistryError::Store(error).into()
}

#[test]
fn nobody_is_told_that_nothing_was_done_where_a_commit_may_stand_or_something_stands_already() {
    assert_eq!(told(of(StoreError::Silent)), (503, true));
    assert_eq!(told(of(StoreError::Unsure)), (503, false));
    assert_eq!(told(of(StoreError::Unsure).before_call()), (503, true), "the call was not made yet");
    assert_eq!(told(of(StoreError::Silent).behind_change()), (503, false), "the change stands");
    let away = || ledger::LedgerError::Away("gone".to_owned());
    assert_eq!(told(away().into()), (503, true));
    assert_eq!(told(Problem::from(away()).behind_change()), (503, false));
    assert_eq!(told(of(StoreError::Corrupt("row"))), (500, false), "a real fault stays one");
    assert_eq!(told(ledger::LedgerError::Read("damaged".to_owned()).into()), (500, false));
}
