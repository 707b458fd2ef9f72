mod crashes;
mod differences;
mod house;
mod open;
mod rounds;
