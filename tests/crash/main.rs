//! `kill -9` at every point of a payment's life. What was acknowledged is in the books, nothing is there twice, and a
//! payment whose delivery is unknown is delivered once more, free.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod journal;
mod moments;
mod storm;
