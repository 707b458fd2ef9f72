mod crashes;
mod deposits;
mod house;
mod open;
mod rounds;
