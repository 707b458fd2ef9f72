mod crashes;
mod house;
mod open;
mod rounds;
