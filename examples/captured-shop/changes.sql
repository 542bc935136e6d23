-- What the application does on a day.
insert into shop.customer (email, name) values ('ana@example.com', 'Ana');
insert into shop.address values (1, 'home', 'First Street 1'), (1, 'work', 'Second Street 2');
insert into shop.product values ('mug', 'Mug', '{"colour": "blue"}', decode(repeat('ff', 4096), 'hex'));
insert into shop.price values ('mug', '2026-01-01', 12.5000);
insert into shop.stock (sku, pieces) values ('mug', 10);

-- Only an ignored column changes: no event.
update shop.customer set updated_at = now() where id = 1;

-- A transaction that says who acts. A service behind a pooler does it the same way.
begin;
select set_config('auditbox.actor', 'ana', true), set_config('auditbox.context', '{"request_id": "r-1"}', true);
insert into shop.invoice values (2026, 1, 1);
insert into shop.invoice_line values (2026, 1, 1, 'mug', 2);
update shop.stock set pieces = pieces - 2, counted_at = now() where sku = 'mug';
insert into shop.payment values ('0197d0d4-0000-7000-8000-000000000001', 25.00, '4111111111111111');
commit;

-- A statement that names a partition.
update shop.invoice_2026 set state = 'paid' where number = 1;
insert into shop.stock (sku, pieces) values ('mug', 5) on conflict (sku) do update set pieces = shop.stock.pieces + excluded.pieces;
insert into shop.login_session (token_hash, customer_id) values ('f00d', 1);
update shop.login_session set last_seen = now();
truncate shop.login_session;

-- Both addresses go with their customer.
delete from shop.customer where id = 1;

begin;
select set_config('auditbox.actor', 'root@example.com', true);
insert into shop.staff values ('bob', 'argon2…', 'clerk');
-- Only an excluded column changes: no event.
update shop.staff set password_hash = 'argon2… 2' where login = 'bob';
update shop.staff set role = 'admin' where login = 'bob';
commit;
