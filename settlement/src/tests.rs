mod crashes;
mod deposits;
mod differences;
mod foreign;
mod house;
mod leaving;
mod open;
mod rounds;
