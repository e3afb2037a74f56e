-- What is read newest first is found so.
ALTER TABLE acme_challenges ADD KEY acme_challenges_newest (created_at);
ALTER TABLE ticket_keys ADD KEY ticket_keys_newest (created_at DESC, name);
