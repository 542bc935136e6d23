-- What a comparison has seen of the archive, so that the page can count objects that were compared.
-- Locks: last_verify, for the moment of the statement.
--
alter table auditbox.last_verify add column complete_before timestamptz(6);