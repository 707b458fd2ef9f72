-- Turns are counted: whoever had one, lost it and has it again without having heard of that knows by its number that others had it meanwhile.
alter table duty add column number integer not null default 1 check (number > 0);
