-- What was changed, by whom, and what follows from it. All writes of this database come one after the other (one lock), so
-- the numbers here are commit order: a reader who has seen a number has seen every smaller one.

-- One row: the last numbers given. They outlive the rows, which are deleted when they are old.
create table journal (
    only     integer not null primary key check (only = 1),
    change   integer not null check (change >= 0),
    position integer not null check (position >= 0),
    -- The hash of the last change.
    head     blob    not null check (length(head) = 32)
) strict;

insert into journal (only, change, position, head) values (1, 0, 0, zeroblob(32));

-- The audit log. `hash` covers the row and the hash before it: who changes or takes out a row breaks the chain.
create table change (
    seq          integer not null primary key,
    id           blob    not null unique check (length(id) = 16),
    at           integer not null,
    actor_kind   text    not null check (actor_kind in ('token', 'key', 'file', 'system')),
    actor        text    not null,
    action       text    not null,
    subject_kind text    not null,
    subject      text    not null,
    -- Whose tenants' it is; null is nobody's.
    provider     text,
    owner        text,
    -- JSON, without secrets. Null is nothing.
    before       text check (before is null or json_valid(before)),
    after        text check (after is null or json_valid(after)),
    request      text,
    hash         blob    not null check (length(hash) = 32)
) strict;

create index change_subject on change (subject_kind, subject, seq);
create index change_provider on change (provider, seq) where provider is not null;
create index change_owner on change (owner, seq) where owner is not null;

create trigger change_no_update before update on change begin select raise(abort, 'the audit log is never changed'); end;
create trigger change_no_delete before delete on change begin select raise(abort, 'the audit log is never deleted'); end;

-- What webhooks, streams and readers are told.
create table event (
    position integer not null primary key,
    id       blob    not null unique check (length(id) = 16),
    type     text    not null,
    at       integer not null,
    provider text,
    owner    text,
    subject  text    not null,
    data     text    not null check (json_valid(data))
) strict;

create index event_provider on event (provider, position) where provider is not null;
create index event_owner on event (owner, position) where owner is not null;

-- Who may call the management API. `subject` is the provider or the owner that a key is bound to.
create table api_key (
    id           blob    not null primary key check (length(id) = 16),
    name         text    not null,
    secret_hash  blob    not null check (length(secret_hash) = 32),
    role         text    not null check (role in ('admin', 'provider', 'owner')),
    subject      text    check ((role = 'admin') = (subject is null)),
    read_only    integer not null check (read_only in (0, 1)),
    -- A JSON list; null is everything that the role may.
    scopes       text    check (scopes is null or json_valid(scopes)),
    expires_at   integer,
    revoked_at   integer,
    last_used_at integer,
    created_at   integer not null
) strict, without rowid;

-- Calls of the management API by the caller's word for them, for 24 hours. Without an answer it is still running.
create table idempotent_call (
    key        blob    not null primary key check (length(key) = 32),
    request    blob    not null check (length(request) = 32),
    status     integer,
    body       blob,
    at         integer not null
) strict, without rowid;

create index idempotent_call_at on idempotent_call (at);
