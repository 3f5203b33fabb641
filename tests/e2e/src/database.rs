//! The PostgreSQL server of the tests, and the policies that they share.

use sluice_harness::{Postgres, Sluice};

/// Every statement is allowed, also what is not understood.
pub const OPEN: &str = "version: 1
name: open
default: deny
rules:
  - name: all
    what: { host: db.internal, protocol: postgres }
    then: allow
";

/// Reads and writes of one schema.
pub const NARROW: &str = "version: 1
name: shop
default: deny
rules:
  - name: own-tables
    what: { host: db.internal, postgres: { effect: [read, write], table: [\"shop.*\"] } }
    then: allow
  - name: no-tables
    what: { host: db.internal, postgres: { statement: [begin, commit, rollback, savepoint, release] } }
    then: allow
  - name: nobody-drops-tables
    what: { postgres: { statement: [\"drop*\", truncate] } }
    then: deny
    message: ask the dba
";

/// [`OPEN`], with people's data masked.
pub const MASKED: &str = "version: 1
name: open
default: deny
rules:
  - name: all
    what: { host: db.internal, protocol: postgres }
    then: allow
mask:
  - name: people
    what: { host: db.internal }
    detect: [email, credit_card, secret]
    with: redact
  - name: numbers
    what: { postgres: { table: [\"shop.*\"] } }
    column: [\"*.ssn\"]
    with: redact
record: { payload: masked }
";

/// People, whose e-mail, card and number are nobody's business.
pub const SHOP: &str = "create schema shop;
create table shop.people (id int primary key, name text, email text, card text, ssn text, extra jsonb, born date);
insert into shop.people values
  (1, 'Ada', 'ada@example.com', '4111 1111 1111 1111', '078-05-1120', '{\"mail\": \"ada@example.com\"}', '1815-12-10'),
  (2, 'Grace', 'grace@example.com', '5500000000000004', '219-09-9999', '{\"a\": 1}', '1906-12-09');
create table shop.orders (id serial primary key, person int, amount numeric);
create schema other; create table other.things (id int); insert into other.things values (1);";

/// Starts a server with [`SHOP`].
///
/// # Errors
/// When it does not come up.
pub fn start(sluice: &Sluice) -> anyhow::Result<Postgres> {
    let server = Postgres::start(sluice.scratch())?;
    server.sql(SHOP)?;
    Ok(server)
}

/// Where clients find it.
#[must_use]
pub fn url(server: &Postgres) -> String {
    format!(
        "postgresql://postgres@db.internal:{}/postgres?connect_timeout=20",
        server.port
    )
}

/// A psql without the user's own settings.
#[must_use]
pub fn psql(server: &Postgres) -> String {
    format!("psql -X '{}'", url(server))
}
