-- Two bodies have texts with a backslash, which a session with standard_conforming_strings = off would read in another way.
-- Their functions run in the sessions of services that write by SQL.
-- Locks: the functions, for some milliseconds. Inserts do not wait.
--
alter function auditbox.audit_log_to_outbox() set standard_conforming_strings = on;
--> statement-breakpoint
alter function auditbox.path_to_unreadable(json, text) set standard_conforming_strings = on;
--> statement-breakpoint
-- Its hint names the schema, quoted where that is necessary.
alter function auditbox.audit_log_to_outbox() set quote_all_identifiers = off;
