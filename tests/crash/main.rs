//! The bad days of one machine: `kill -9` at every point of a payment's life, ends and upgrades, disks and files. What was acknowledged is in the books, nothing is there twice, and a
//! payment whose delivery is unknown is delivered once more, free.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod ending;
mod journal;
mod moments;
mod storm;
mod upgrade;
mod visitors;
