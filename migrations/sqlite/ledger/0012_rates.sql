-- Several gateways on PostgreSQL count their calls together in a table. One gateway alone counts in memory: nothing here.
select 1;
