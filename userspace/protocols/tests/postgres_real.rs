//! The real PostgreSQL and its clients, direct and through the gate: what they see is the same.

#[cfg(test)]
mod postgres_server;

use postgres_server::{Relay, Rules, Server, psql};

/// Runs a script direct and through a gate that allows everything.
fn same_both_ways(server: &Server, arguments: &[&str], script: &str) {
    let relay = Relay::start(server.port(), Rules::default());
    let run = |port: u16, schema: &str| {
        let setup = format!("drop schema if exists {schema} cascade; create schema {schema}");
        psql(server.port(), &["-q"], &setup);
        let script = format!("set search_path = {schema};\n{script}");
        psql(port, arguments, &script).replace(schema, "schema")
    };
    let direct = run(server.port(), "s_direct");
    assert_eq!(run(relay.port(), "s_gated_"), direct, "{script}");
}

// table: what every test begins with.
macro_rules! server {
    () => {
        match Server::start() {
            Some(server) => server,
            None => {
                println!("skipped: postgres_real: PostgreSQL's server is not installed (apt install postgresql)");
                return;
            }
        }
    };
}

#[test]
fn what_psql_sees_is_what_it_sees_without_the_gate() {
    let server = server!();
    let scripts = [
        "select 1; select 'two' as b, null, 3.5;",
        "create table t (id int primary key, name text); insert into t select g, 'n' || g from generate_series(1, 2000) g; select count(*), sum(id) from t; select * from t order by id;",
        "create table t (id int); copy t from stdin;\n1\n2\n\\.\ncopy t to stdout; copy (select id * 2 from t) to stdout with csv header;",
        "create table t (id int primary key); \\copy t from program 'seq 1 500'\n\\copy t to stdout\nselect count(*) from t;",
        "create table t (id int); copy t from stdin;\nnot a number\n\\.\nselect 1;",
        "begin; create table t (id int); insert into t values (1), (2), (3); declare c cursor for select * from t; fetch 2 from c; fetch all from c; close c; commit;",
        "prepare p (int) as select $1 + 1; execute p(41); deallocate p; execute p(1);",
        "select 1/0; select 'after'; selec; begin; select 1/0; select 1; rollback; select 2;",
        "do $$ begin raise notice 'hello %', 1; end $$; select pg_backend_pid() > 0;",
        "select 1 \\bind \\g\nselect $1::int + $2::int \\bind 20 22 \\g",
        "select 1\\; select 2\\; select 3;",
        "\\d pg_class\n\\dt pg_catalog.pg_a*\n\\l template0\n\\df pg_catalog.lower\n\\du",
        "set client_min_messages = warning; create table if not exists t (a int); create table if not exists t (a int);",
        "explain (costs off) select * from pg_class where oid = 1; show server_version_num;",
        ";;  ; select 'e';",
        "select repeat('x', 3000000) as big \\gset\nselect length(:'big');",
        "\\set FETCH_COUNT 100\nselect * from generate_series(1, 1234) g;",
    ];
    for script in scripts {
        same_both_ways(&server, &["-a"], script);
        same_both_ways(&server, &["-At"], script);
    }
}

#[test]
fn a_refused_statement_is_told_in_the_servers_own_words_and_the_rest_goes_on() {
    let server = server!();
    let relay = Relay::start(server.port(), Rules::refusing("delete"));
    let out = psql(
        relay.port(),
        &["-At"],
        "create table r (id int); insert into r values (1);\ndelete from r;\nselect count(*) from r;\nbegin; insert into r values (2);\ndelete from r;\nselect 'no';\ncommit;\nselect count(*) from r; drop table r;",
    );
    assert!(
        out.contains("ERROR:  sluice: refused by test/no-delete"),
        "{out}"
    );
    assert!(out.contains("current transaction is aborted"), "{out}");
    assert!(out.contains("ROLLBACK"), "{out}");
    assert_eq!(out.lines().filter(|line| *line == "1").count(), 2, "{out}");
}

#[test]
fn a_cancel_request_reaches_the_server() {
    let server = server!();
    let relay = Relay::start(server.port(), Rules::default());
    let out = postgres_server::interrupted_psql(relay.port(), "select pg_sleep(600)");
    assert!(
        out.contains("canceling statement due to user request"),
        "{out}"
    );
}

#[test]
fn notifications_arrive() {
    let server = server!();
    let relay = Relay::start(server.port(), Rules::default());
    let out = psql(
        relay.port(),
        &["-At"],
        "listen news; notify news, 'hello'; select 1;",
    );
    assert!(
        out.contains("Asynchronous notification \"news\" with payload \"hello\""),
        "{out}"
    );
}

#[test]
fn masked_columns_stay_masked_however_they_are_asked_for() {
    let server = server!();
    let relay = Relay::start(server.port(), Rules::masking("*.ssn"));
    psql(
        server.port(),
        &["-q"],
        "create table people (id int, name text, ssn text); insert into people values (1, 'Ann', '123-45-6789'), (2, 'Bob', null)",
    );
    let dodges = [
        "select * from people",
        "select ssn as x from people",
        "select ssn || '' from people",
        "select row_to_json(p) from people p",
        "select p from people p",
        "select p::text from people p",
        "table people",
        "select x from (select ssn as x from people) s",
        "with s as (select ssn as x from people) select * from s",
        "select (select ssn from people limit 1)",
        "begin; declare c cursor for select ssn as y from people; fetch all from c; rollback",
        "update people set id = id returning ssn as z",
        "copy people to stdout",
        "copy people (id, ssn) to stdout with csv",
        "copy (select reverse(ssn) from people) to stdout",
        "prepare q as select substr(ssn, 1, 20) from people; execute q",
        "select id from people union select 3; select name from people union select ssn from people",
        "select array_agg(ssn) from people",
        "select string_agg(ssn, ',') from people",
        "select ssn::int from people",
        "select case when true then ssn end from people",
        "select a.b from people a(x, y, b)",
        "select jsonb_agg(to_jsonb(p)) from people p",
        "select * from people p, lateral (select p.ssn as l) l",
        "select unnest(array[ssn]) from people",
        "select max(ssn) over () from people",
        "select t.ssn from (table people) t",
        "select $1 || ssn from people \\bind 'a' \\g",
    ];
    for dodge in dodges {
        let out = psql(relay.port(), &["-At"], dodge);
        for leak in ["123-45", "6789", "9876-54-321", "321"] {
            assert!(!out.contains(leak), "{dodge}\n{out}");
        }
    }
    let kept = psql(
        relay.port(),
        &["-At"],
        "select id, name from people order by id; select count(ssn) from people",
    );
    assert_eq!(kept.trim(), "1|Ann\n2|Bob\n1");
    psql(server.port(), &["-q"], "drop table people");
}

#[test]
fn pgbench_runs_in_all_of_its_modes() {
    let server = server!();
    let relay = Relay::start(server.port(), Rules::default());
    postgres_server::pgbench(server.port(), &["-i", "-q"]);
    for mode in ["simple", "extended", "prepared"] {
        let out = postgres_server::pgbench(relay.port(), &["-M", mode, "-c", "4", "-t", "50"]);
        assert!(
            out.contains("number of transactions actually processed: 200/200"),
            "{out}"
        );
        assert!(out.contains("number of failed transactions: 0"), "{out}");
    }
}
