mod crashes;
mod deposits;
mod differences;
mod house;
mod leaving;
mod open;
mod rounds;
