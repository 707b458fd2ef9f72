-- BLAKE3 of what the configuration file said of the agent when it was applied last; none where no file names it. A file that
-- says the same again leaves alone what was changed since.
alter table agent add column file_entry blob check (length(file_entry) = 32);
