mod crashes;
mod house;
mod rounds;
