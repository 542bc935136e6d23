-- The ten tables of a shop. The application knows nothing of Auditbox.
create schema shop;

create table shop.customer (
  id bigint generated always as identity primary key,
  email text not null unique,
  name text not null,
  updated_at timestamptz not null default now()
);
-- A composite key, and rows that go with their customer.
create table shop.address (
  customer_id bigint references shop.customer on delete cascade,
  kind text,
  street text not null,
  primary key (customer_id, kind)
);
create table shop.product (
  sku text primary key,
  title text not null,
  attributes jsonb not null default '{}',
  picture bytea
);
create table shop.price (
  sku text references shop.product,
  valid_from date,
  amount numeric(20, 4) not null,
  primary key (sku, valid_from)
);
create table shop.stock (
  sku text primary key references shop.product,
  pieces integer not null check (pieces >= 0),
  counted_at timestamptz not null default now()
);
-- Partitioned by year.
create table shop.invoice (
  year integer not null,
  number integer not null,
  customer_id bigint not null,
  state text not null default 'open',
  primary key (year, number)
) partition by range (year);
create table shop.invoice_2025 partition of shop.invoice for values from (2025) to (2026);
create table shop.invoice_2026 partition of shop.invoice for values from (2026) to (2027);
create table shop.invoice_line (
  year integer,
  number integer,
  line integer,
  sku text not null,
  pieces integer not null,
  primary key (year, number, line),
  foreign key (year, number) references shop.invoice on delete cascade
);
create table shop.payment (
  id uuid primary key,
  amount numeric(12, 2) not null,
  card_number text not null
);
-- No primary key.
create table shop.login_session (
  token_hash text not null unique,
  customer_id bigint not null,
  last_seen timestamptz not null default now()
);
create table shop.staff (
  login text primary key,
  password_hash text not null,
  role text not null
);
