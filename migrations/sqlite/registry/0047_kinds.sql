-- The audit log is never pruned: whoever looks for one kind of thing goes through no other entries.
create index change_kind on change (subject_kind, seq);
create index change_provider_kind on change (provider, subject_kind, seq) where provider is not null;
create index change_owner_kind on change (owner, subject_kind, seq) where owner is not null;
