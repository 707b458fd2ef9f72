mod crashes;
mod deposits;
mod differences;
mod house;
mod open;
mod rounds;
