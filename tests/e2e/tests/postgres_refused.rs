//! PostgreSQL: what is refused, in its own words, and what is masked.

use anyhow::{Context as _, ensure};
use serde_json::Value;
use sluice_e2e::database::{self, MASKED, NARROW, psql, url};
use sluice_e2e::{World, python, shown, text};
use sluice_harness::Postgres;

fn world(test: &str) -> anyhow::Result<Option<(World, Postgres)>> {
    let Some(world) = World::or_skip(test, &["db.internal"])? else {
        return Ok(None);
    };
    let server = database::start(&world.sluice)?;
    Ok(Some((world, server)))
}

#[test]
fn a_refused_statement_is_an_error_and_the_session_goes_on() -> anyhow::Result<()> {
    let Some((world, server)) = world("a_refused_statement_is_an_error_and_the_session_goes_on")?
    else {
        return Ok(());
    };
    let script = format!(
        "{} -At <<'E'
\\set VERBOSITY verbose
select count(*) from shop.people;
drop table shop.people;
select count(*) from other.things;
\\echo :LAST_ERROR_SQLSTATE
insert into shop.orders (person, amount) values (1, 2);
begin;
insert into shop.orders (person, amount) values (1, 3);
truncate shop.orders;
select count(*) from shop.people;
commit;
select 'orders', count(*) from shop.orders;
E",
        psql(&server)
    );
    let job = world.gated(NARROW, &script)?;
    ensure!(job.stdout.starts_with("2\n42501\n"), "{}", shown(&job));
    ensure!(
        job.stderr
            .contains("sluice: refused by shop/nobody-drops-tables")
            && job.stderr.contains("ask the dba"),
        "{}",
        shown(&job)
    );
    ensure!(
        job.stderr.contains("current transaction is aborted"),
        "{}",
        shown(&job)
    );
    ensure!(
        job.stdout.ends_with("ROLLBACK\norders|1\n"),
        "{}",
        shown(&job)
    );
    ensure!(
        server.sql("select count(*) from shop.people")? == "2",
        "the table is gone"
    );
    let log = server.log();
    ensure!(
        !log.contains("drop table") && !log.contains("other.things"),
        "it reached the server: {log}"
    );
    let events = world.events_of("postgres")?;
    let refused: Vec<&str> = events
        .iter()
        .filter(|e| e["kind"] == "verdict" && e["verdict"] == "deny")
        .map(|e| text(e, "because.decision"))
        .collect();
    ensure!(refused.len() == 3, "{events:?}");
    let dropped = events
        .iter()
        .find(|e| text(e, "statement").starts_with("drop"))
        .context("not recorded")?;
    ensure!(
        dropped["effect"] == "ddl" && dropped["tables"] == serde_json::json!(["shop.people"]),
        "{dropped}"
    );
    Ok(())
}

/// One refused statement refuses the message: nothing of it is done.
#[test]
fn a_message_of_several_statements_is_refused_whole() -> anyhow::Result<()> {
    let Some((world, server)) = world("a_message_of_several_statements_is_refused_whole")? else {
        return Ok(());
    };
    for message in [
        "insert into shop.orders (person) values (1); drop table shop.people",
        "insert into shop.orders (person) values (1); select * from other.things",
        "begin; insert into shop.orders (person) values (1); commit; truncate shop.people",
        "insert into shop.orders (person) values (1); do $$ begin execute 'drop table shop.people'; end $$",
        "insert into shop.orders (person) values (1); this is no sql",
        "insert into shop.orders (person) values (1) /* ; */; /* /* */ drop table other.things; -- */ select 1; */ drop table shop.people",
        "insert into shop.orders (person) values ((select count(*)::int from other.things))",
        "with gone as (delete from other.things returning id) insert into shop.orders (person) select id from gone",
        "select * from shop.people, lateral (select pg_read_file('/etc/passwd')) f",
        "copy shop.orders (person) from program 'echo 1'",
        "select set_config('search_path', 'other', false) from shop.people; select * from things",
    ] {
        let job = world.gated(
            NARROW,
            &format!(
                "{} <<'E'\n\\set VERBOSITY verbose\n{}\nE",
                psql(&server),
                message.replace(';', "\\;") + ";"
            ),
        )?;
        ensure!(
            job.stderr.contains("42501") && job.stderr.contains("sluice"),
            "{message}: {}",
            shown(&job)
        );
    }
    ensure!(server.sql("select (select count(*) from shop.orders), (select count(*) from shop.people), (select count(*) from other.things)")? == "0|2|1");
    Ok(())
}

#[test]
fn a_refusal_in_a_pipeline_drops_it_up_to_its_sync() -> anyhow::Result<()> {
    let Some((world, server)) = world("a_refusal_in_a_pipeline_drops_it_up_to_its_sync")? else {
        return Ok(());
    };
    let script = format!(
        "timeout 60 {} - '{}' <<'E'
import sys, psycopg
with psycopg.connect(sys.argv[1], autocommit=True) as c:
    try:
        with c.pipeline():
            c.execute('insert into shop.orders (person) values (%s)', (1,))
            c.execute('select id from other.things where id = %s', (1,))
            c.execute('insert into shop.orders (person) values (%s)', (2,))
    except psycopg.Error as e:
        print(type(e).__name__, e.sqlstate)
    print(c.info.transaction_status.name, c.execute('select count(*) from shop.orders').fetchone())
    for i in range(3):
        try:
            c.execute('delete from other.things where id = %s', (i,), prepare=True)
        except psycopg.Error as e:
            print(type(e).__name__, e.sqlstate)
    print(c.execute('select count(*) from shop.people').fetchone())
    try:
        with c.transaction():
            c.execute('insert into shop.orders (person) values (%s)', (3,))
            c.execute('truncate shop.orders')
    except psycopg.Error as e:
        print(type(e).__name__, e.sqlstate)
    print(c.info.transaction_status.name, c.execute('select count(*) from shop.orders').fetchone())
E",
        python().display(),
        url(&server)
    );
    let job = world.gated(NARROW, &script)?;
    let refused = "InsufficientPrivilege 42501\n";
    let want = format!(
        "{refused}IDLE (0,)\n{}(2,)\n{refused}IDLE (0,)\n",
        refused.repeat(3)
    );
    ensure!(job.stdout == want, "{}", shown(&job));
    ensure!(server.sql("select count(*) from other.things")? == "1");
    Ok(())
}

#[test]
fn a_connection_that_no_rule_needs_is_refused_in_words() -> anyhow::Result<()> {
    let Some((world, server)) = world("a_connection_that_no_rule_needs_is_refused_in_words")?
    else {
        return Ok(());
    };
    let shut = "version: 1\nname: shut\ndefault: deny\nrules:\n  - name: web\n    what: { host: other.internal, port: 80 }\n    then: allow\n";
    let by_address = format!("{}&hostaddr=127.9.9.9", url(&server));
    let job = world.gated(shut, &format!("psql -X '{by_address}' -c 'select 1'"))?;
    ensure!(
        job.status == 2 && job.stderr.contains("FATAL") && job.stderr.contains("sluice: refused"),
        "{}",
        shown(&job)
    );
    Ok(())
}

const SECRETS: [&str; 5] = [
    "ada@example.com",
    "4111 1111 1111 1111",
    "5500000000000004",
    "078-05-1120",
    "219-09-9999",
];

fn shows_nothing(job: &sluice_harness::Job) -> anyhow::Result<()> {
    for secret in SECRETS {
        ensure!(
            !job.stdout.contains(secret) && !job.stderr.contains(secret),
            "{secret} is shown: {}",
            shown(job)
        );
    }
    Ok(())
}

#[test]
fn psql_sees_masked_values_wherever_they_come_from() -> anyhow::Result<()> {
    let Some((world, server)) = world("psql_sees_masked_values_wherever_they_come_from")? else {
        return Ok(());
    };
    for sql in [
        "select * from shop.people order by id",
        "table shop.people",
        "select p.ssn as harmless, p.email as e from shop.people p",
        "select ssn || '' from shop.people",
        "select (select ssn from shop.people limit 1)",
        "with p as (select * from shop.people) select ssn as x from p",
        "select row_to_json(p) from shop.people p",
        "select array_agg(ssn) from shop.people",
        "select string_agg(email, ' - ') from shop.people",
        "update shop.people set name = name returning ssn, email",
        "copy shop.people to stdout",
        "copy (select ssn, card from shop.people) to stdout csv header",
        "select extra->>'mail' from shop.people",
        "begin; declare c cursor for select ssn from shop.people; fetch all from c; commit",
        "prepare q as select ssn from shop.people; execute q",
        "do $$ begin raise notice 'mail %', (select email from shop.people limit 1); end $$",
        "insert into shop.people (id, name) values (1, 'x'); select 1",
        "select email::int from shop.people",
        "select ssn::int from shop.people",
        "select 'x' union all select ssn from shop.people",
        "select substr(ssn, 1) from shop.people",
    ] {
        let job = world.gated(MASKED, &format!("{} 2>&1 <<'E'\n{sql};\nE", psql(&server)))?;
        shows_nothing(&job).with_context(|| sql.to_owned())?;
        ensure!(!job.stdout.is_empty(), "{sql}: {}", shown(&job));
    }
    let job = world.gated(
        MASKED,
        &format!(
            "{} -At -c 'select id, name, born, email from shop.people order by id'",
            psql(&server)
        ),
    )?;
    ensure!(
        job.stdout.contains("1|Ada|1815-12-10|") && job.stdout.contains("2|Grace|1906-12-09|"),
        "{}",
        shown(&job)
    );
    let sessions = world.sluice.sessions_of("postgres")?;
    ensure!(
        sessions
            .iter()
            .any(|s: &Value| s["masked"].as_u64() > Some(0))
    );
    Ok(())
}

#[test]
fn psycopg_sees_masked_values_text_and_binary() -> anyhow::Result<()> {
    let Some((world, server)) = world("psycopg_sees_masked_values_text_and_binary")? else {
        return Ok(());
    };
    let script = format!(
        "timeout 60 {} - '{}' <<'E' 2>&1
import sys, psycopg
with psycopg.connect(sys.argv[1], autocommit=True) as c:
    for binary in False, True:
        for row in c.execute('select id, name, email, card, ssn, extra, born from shop.people where id < %s order by id', (9,), binary=binary):
            print(*row, sep='|')
    with c.cursor(name='cursor', withhold=True) as cursor:
        for row in cursor.execute('select ssn from shop.people'):
            print(*row)
    with c.pipeline():
        rows = [c.execute('select ssn from shop.people where id = %s', (i,)) for i in (1, 2)]
    print([r.fetchall() for r in rows])
    try:
        c.execute('insert into shop.people (id, email) values (%s, %s)', (1, 'ada@example.com'))
    except psycopg.Error as e:
        print(e.sqlstate)
    try:
        with c.cursor() as cursor, cursor.copy('copy shop.people to stdout (format binary)') as copy:
            print(b''.join(copy))
    except psycopg.Error as e:
        print('binary copy:', type(e).__name__)
E",
        python().display(),
        url(&server)
    );
    let job = world.gated(MASKED, &script)?;
    shows_nothing(&job)?;
    ensure!(
        job.stdout.matches("1|Ada|").count() == 2 && job.stdout.contains("1815-12-10"),
        "{}",
        shown(&job)
    );
    ensure!(job.stdout.contains("binary copy:"), "{}", shown(&job));
    Ok(())
}

#[test]
fn what_the_record_keeps_is_masked() -> anyhow::Result<()> {
    let Some((world, server)) = world("what_the_record_keeps_is_masked")? else {
        return Ok(());
    };
    let file = world.sluice.scratch().write(
        "q.sql",
        "select * from shop.people where email = 'ada@example.com';\ninsert into shop.people (id, card) values (7, '4111 1111 1111 1111');\n",
    )?;
    let job = world.gated(MASKED, &format!("{} -f {}", psql(&server), file.display()))?;
    ensure!(job.status == 0, "{}", shown(&job));
    let mut grep = std::process::Command::new("grep");
    grep.arg("-rlaF");
    SECRETS.iter().for_each(|secret| {
        grep.args(["-e", secret]);
    });
    let kept = grep.arg(world.sluice.state()).output()?;
    ensure!(
        kept.stdout.is_empty(),
        "kept in {}",
        String::from_utf8_lossy(&kept.stdout)
    );
    let events = world.events_of("postgres")?;
    ensure!(events.iter().any(|e| e["kind"] == "masked"), "{events:?}");
    ensure!(
        server.sql("select card from shop.people where id = 7")? == "4111 1111 1111 1111",
        "the statement itself is not changed"
    );
    Ok(())
}
