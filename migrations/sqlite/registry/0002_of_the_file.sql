-- What the file brought is looked through when it changes; not what a million agents brought by themselves.
create index signer_of_file on signer (agent) where source = 'file';
create index agent_key_of_file on agent_key (agent) where source = 'file';
