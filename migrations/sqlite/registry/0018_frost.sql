-- Whether the operator froze it: its owner cannot thaw it then. What was frozen before may be thawed by either.
alter table agent add column frozen_by_operator integer not null default 0 check (frozen_by_operator in (0, 1));
alter table wallet add column frozen_by_operator integer not null default 0 check (frozen_by_operator in (0, 1));
