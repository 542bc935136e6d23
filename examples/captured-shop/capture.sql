-- A migration of the shop, run by the owner of its tables. No code of the application changes.
select auditbox.capture('shop.customer', ignore => '{updated_at}');
select auditbox.capture('shop.address');
select auditbox.capture('shop.product', max_value => 1024);
select auditbox.capture('shop.price');
select auditbox.capture('shop.stock', ignore => '{counted_at}');
select auditbox.capture('shop.invoice');
select auditbox.capture('shop.invoice_line');
select auditbox.capture('shop.payment', mask => '{card_number}');
select auditbox.capture('shop.login_session', key => '{token_hash}', ignore => '{last_seen}', on_truncate => 'record');
-- A change of the staff must say who makes it.
select auditbox.capture('shop.staff', exclude => '{password_hash}', require_actor => true);
