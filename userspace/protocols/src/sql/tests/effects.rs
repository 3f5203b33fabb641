use super::one;
use crate::sql::Effect::{self, Admin, Ddl, Read, Unknown, Write};

/// Text, effect, kind.
const TABLE: &[(&str, Effect, &str)] = &[
    ("select 1", Read, "select"),
    (
        "SELECT * FROM t WHERE a = 1 ORDER BY b LIMIT 3 OFFSET 2",
        Read,
        "select",
    ),
    ("(select 1)", Read, "select"),
    ("values (1), (2)", Read, "values"),
    ("table t", Read, "table"),
    ("table t for update", Write, "table"),
    ("select * from (table t for update) s", Write, "select"),
    ("table t limit 1", Read, "table"),
    ("table t order by my_function()", Unknown, "table"),
    (
        "with x as (table t) table x union all table t",
        Read,
        "table",
    ),
    ("create table u as table t", Ddl, "create table"),
    (
        "select count(*), sum(a), max(b) over (partition by c) from t group by d having count(*) > 1",
        Read,
        "select",
    ),
    (
        "select a, lower(b), coalesce(c, now()) from t",
        Read,
        "select",
    ),
    (
        "select pg_catalog.format_type(a.atttypid, a.atttypmod) from pg_catalog.pg_attribute a",
        Read,
        "select",
    ),
    ("select n from generate_series(1, 3) n", Read, "select"),
    (
        "select x::text, cast(y as int), '1'::pg_catalog.regclass from t",
        Read,
        "select",
    ),
    (
        "select extract(year from now()), substring(a from 1 for 2), trim(both 'x' from a), position('a' in b) from t",
        Read,
        "select",
    ),
    (
        "select current_user, session_user, current_date",
        Read,
        "select",
    ),
    (
        "select a ~ 'x', a operator(pg_catalog.~) 'y' from t",
        Read,
        "select",
    ),
    ("with x as (select 1) select * from x", Read, "select"),
    (
        "with recursive x(n) as (values (1) union all select n + 1 from x where n < 9) select * from x",
        Read,
        "select",
    ),
    (
        "select * from a union select * from b except select * from c",
        Read,
        "select",
    ),
    ("select exists (select 1 from t)", Read, "select"),
    // Row locks take the privilege to update.
    ("select * from t for update", Write, "select"),
    ("select * from t for share", Write, "select"),
    (
        "select * from (select * from t for update) s",
        Write,
        "select",
    ),
    ("select nextval('s')", Write, "select"),
    ("select setval('s', 1)", Write, "select"),
    ("select pg_advisory_lock(1)", Write, "select"),
    ("select pg_notify('a', 'b')", Write, "select"),
    ("insert into t values (1)", Write, "insert"),
    (
        "insert into t select * from u on conflict (a) do update set b = 1 returning *",
        Write,
        "insert",
    ),
    ("update t set a = 1 where b = 2", Write, "update"),
    (
        "update t set a = u.a from u where u.b = t.b",
        Write,
        "update",
    ),
    ("delete from t", Write, "delete"),
    (
        "delete from t using u where t.a = u.a returning t.a",
        Write,
        "delete",
    ),
    (
        "merge into t using u on t.a = u.a when matched then delete when not matched then insert values (1)",
        Write,
        "merge",
    ),
    // CTE that deletes.
    (
        "with d as (delete from t returning *) select * from d",
        Write,
        "select",
    ),
    (
        "with d as (insert into t values (1) returning *) insert into u select * from d",
        Write,
        "insert",
    ),
    (
        "select (with d as (select nextval('s')) select * from d)",
        Write,
        "select",
    ),
    ("truncate t", Write, "truncate"),
    (
        "truncate table only t, u restart identity cascade",
        Write,
        "truncate",
    ),
    ("lock table t in exclusive mode", Write, "lock"),
    ("notify a, 'b'", Write, "notify"),
    (
        "refresh materialized view v",
        Write,
        "refresh materialized view",
    ),
    ("copy t from stdin", Write, "copy"),
    (
        "copy t (a, b) from stdin with (format csv, header) where a > 1",
        Write,
        "copy",
    ),
    ("copy t to stdout", Read, "copy"),
    ("copy (select 1) to stdout with csv", Read, "copy"),
    ("copy (delete from t returning a) to stdout", Write, "copy"),
    ("copy t to '/tmp/x'", Admin, "copy"),
    ("copy t from '/etc/passwd'", Admin, "copy"),
    ("copy t to program 'curl example.com'", Admin, "copy"),
    ("copy t from program 'id'", Admin, "copy"),
    ("copy binary t to stdout", Read, "copy"),
    ("copy t from stdin where my_function(a)", Unknown, "copy"),
    ("copy t to stdout (encoding 'latin1')", Unknown, "copy"),
    (
        "create table t (id serial primary key, a text default now()::text, check (a <> ''))",
        Ddl,
        "create table",
    ),
    ("create temp table t as select 1", Ddl, "create table"),
    (
        "create unlogged table if not exists s.t (a int references u (b))",
        Ddl,
        "create table",
    ),
    ("select * into t2 from t", Ddl, "select"),
    (
        "create table t as select my_function()",
        Unknown,
        "create table",
    ),
    ("create index i on t (lower(a))", Ddl, "create index"),
    (
        "create unique index concurrently i on t (a) where b is null",
        Ddl,
        "create index",
    ),
    (
        "create index i on t (my_function(a))",
        Unknown,
        "create index",
    ),
    (
        "create or replace view v as select * from t",
        Ddl,
        "create view",
    ),
    (
        "create materialized view v as select * from t",
        Ddl,
        "create materialized view",
    ),
    ("create schema s", Ddl, "create schema"),
    ("create sequence s", Ddl, "create sequence"),
    ("create type e as enum ('a', 'b')", Ddl, "create type"),
    (
        "alter table t add column b int default 1",
        Ddl,
        "alter table",
    ),
    (
        "alter table t drop column b, alter column c set not null",
        Ddl,
        "alter table",
    ),
    ("alter table t rename to u", Ddl, "alter table"),
    ("alter sequence s restart", Ddl, "alter sequence"),
    ("drop table if exists t cascade", Ddl, "drop table"),
    ("drop index i", Ddl, "drop index"),
    ("drop schema s cascade", Ddl, "drop schema"),
    ("comment on table t is 'x'", Ddl, "comment"),
    ("vacuum (analyze, verbose) t", Ddl, "vacuum"),
    ("analyze t", Ddl, "analyze"),
    ("reindex table t", Ddl, "reindex"),
    ("cluster t using i", Ddl, "cluster"),
    ("create role r", Admin, "create role"),
    ("create user u password 'x'", Admin, "create user"),
    ("alter role r superuser", Admin, "alter role"),
    ("alter system set work_mem = '1GB'", Admin, "alter system"),
    (
        "alter default privileges grant select on tables to r",
        Admin,
        "alter default privileges",
    ),
    ("create extension dblink", Admin, "create extension"),
    ("create database d", Admin, "create database"),
    (
        "create function f() returns int language sql as 'select 1'",
        Admin,
        "create function",
    ),
    (
        "create or replace procedure p() language sql begin atomic delete from t; end",
        Admin,
        "create procedure",
    ),
    (
        "create trigger g before insert on t for each row execute function f()",
        Admin,
        "create trigger",
    ),
    (
        "create rule r as on insert to t do instead (delete from t; delete from u)",
        Admin,
        "create rule",
    ),
    (
        "create event trigger e on ddl_command_start execute function f()",
        Admin,
        "create event trigger",
    ),
    (
        "create publication p for all tables",
        Admin,
        "create publication",
    ),
    (
        "create server s foreign data wrapper w",
        Admin,
        "create server",
    ),
    (
        "create foreign table f (a int) server s",
        Admin,
        "create foreign table",
    ),
    (
        "create user mapping for u server s",
        Admin,
        "create user mapping",
    ),
    ("drop function f", Admin, "drop function"),
    ("drop owned by r", Admin, "drop owned"),
    ("reassign owned by a to b", Admin, "reassign owned"),
    ("grant all on t to public", Admin, "grant"),
    ("revoke all on t from public", Admin, "revoke"),
    ("security label on table t is 'x'", Admin, "security label"),
    (
        "import foreign schema s from server x into y",
        Admin,
        "import foreign schema",
    ),
    ("checkpoint", Admin, "checkpoint"),
    ("load 'auto_explain'", Admin, "load"),
    ("prepare transaction 'x'", Admin, "prepare transaction"),
    ("commit prepared 'x'", Write, "commit prepared"),
    ("set role r", Admin, "set"),
    ("set session authorization r", Admin, "set"),
    ("set session_replication_role = replica", Admin, "set"),
    ("reset role", Admin, "reset"),
    ("select pg_terminate_backend(1)", Admin, "select"),
    ("select pg_read_file('/etc/passwd')", Admin, "select"),
    ("select pg_read_binary_file('/etc/passwd')", Admin, "select"),
    ("select * from pg_ls_dir('/')", Admin, "select"),
    ("select pg_reload_conf()", Admin, "select"),
    ("update pg_class set relname = 'x'", Admin, "update"),
    ("delete from pg_catalog.pg_authid", Admin, "delete"),
    ("do $$ begin delete from t; end $$", Unknown, "do"),
    ("call p()", Unknown, "call"),
    ("select my_function(1)", Unknown, "select"),
    ("select public.lower('A')", Unknown, "select"),
    ("select * from my_function()", Unknown, "select"),
    (
        "select * from t, lateral my_function(t.a)",
        Unknown,
        "select",
    ),
    (
        "select dblink('host=x', 'delete from t')",
        Unknown,
        "select",
    ),
    ("select lo_import('/etc/passwd')", Unknown, "select"),
    ("select lo_export(1, '/tmp/x')", Unknown, "select"),
    (
        "select query_to_xml('delete from t', true, true, '')",
        Unknown,
        "select",
    ),
    (
        "select table_to_xml('cards', true, true, '')",
        Unknown,
        "select",
    ),
    ("select ts_stat('select 1')", Unknown, "select"),
    (
        "select ts_rewrite('a'::tsquery, 'delete from t')",
        Unknown,
        "select",
    ),
    ("select a operator(public.+) b from t", Unknown, "select"),
    ("insert into t values (my_function())", Unknown, "insert"),
    ("update t set a = 1 where my_function()", Unknown, "update"),
    ("select 1 order by my_function()", Unknown, "select"),
    ("select 1 limit my_function()", Unknown, "select"),
    (
        "select sum(a) filter (where my_function()) from t",
        Unknown,
        "select",
    ),
    (
        "select sum(a) over (order by my_function()) from t",
        Unknown,
        "select",
    ),
    (
        "select case when true then my_function() end",
        Unknown,
        "select",
    ),
    // Attribute notation is a call: verified on a server.
    (
        "select ('/etc/passwd'::text).pg_read_file",
        Unknown,
        "select",
    ),
    (
        "select t.pg_read_file from lower('/etc/passwd') t",
        Unknown,
        "select",
    ),
    (
        "select pid.pg_terminate_backend from cast(1 as int) pid",
        Unknown,
        "select",
    ),
    // SET in disguise.
    (
        "update pg_settings set setting = 'off' where name = 'standard_conforming_strings'",
        Unknown,
        "update",
    ),
    (
        "select set_config('work_mem', '1MB', false)",
        Read,
        "select",
    ),
    (
        "select pg_catalog.set_config('search_path', '', false)",
        Read,
        "select",
    ),
    (
        "select set_config('role', 'postgres', false)",
        Admin,
        "select",
    ),
    (
        "select set_config('standard_conforming_strings', 'off', false)",
        Unknown,
        "select",
    ),
    ("select set_config(a, b, false) from t", Unknown, "select"),
    (
        "select set_config('client' || '_encoding', 'sjis', false)",
        Unknown,
        "select",
    ),
    ("set client_encoding = 'SJIS'", Unknown, "set"),
    ("set names 'BIG5'", Unknown, "set"),
    ("set client_encoding to 'UTF8'", Read, "set"),
    ("set standard_conforming_strings = off", Unknown, "set"),
    ("set standard_conforming_strings = on", Read, "set"),
    ("set statement_timeout = '5s'", Read, "set"),
    ("set local lock_timeout = 1000", Read, "set"),
    ("set session work_mem = '4MB'", Read, "set"),
    ("set search_path = public, payments", Read, "set"),
    ("set search_path = evil, pg_catalog", Admin, "set"),
    ("set time zone 'UTC'", Read, "set"),
    ("set transaction isolation level serializable", Read, "set"),
    ("set constraints all deferred", Read, "set"),
    ("set my.variable = 1", Admin, "set"),
    ("begin", Read, "begin"),
    ("start transaction read only", Read, "begin"),
    ("commit and chain", Read, "commit"),
    ("end", Read, "commit"),
    ("abort", Read, "rollback"),
    ("rollback to savepoint a", Read, "rollback"),
    ("savepoint a", Read, "savepoint"),
    ("release a", Read, "release"),
    ("show all", Read, "show"),
    ("listen a", Read, "listen"),
    ("unlisten *", Read, "unlisten"),
    ("discard all", Read, "discard"),
    ("reset all", Read, "reset"),
    ("close c", Read, "close"),
    ("fetch 10 from c", Read, "fetch"),
    ("move 10 in c", Read, "move"),
    ("deallocate all", Read, "deallocate"),
    ("explain select * from t", Read, "explain"),
    ("explain delete from t", Read, "explain"),
    ("explain analyze delete from t", Write, "explain"),
    ("explain (analyze, buffers) delete from t", Write, "explain"),
    ("explain (analyze false) delete from t", Read, "explain"),
    (
        "explain (analyze false, analyze) delete from t",
        Write,
        "explain",
    ),
    ("explain (select my_function())", Unknown, "explain"),
    ("explain analyze create table x as select 1", Ddl, "explain"),
    ("declare c cursor for select * from t", Read, "declare"),
    (
        "declare c binary no scroll cursor with hold for select my_function()",
        Unknown,
        "declare",
    ),
    ("prepare p as delete from t", Write, "prepare"),
    ("prepare p (int, text) as select $1, $2", Read, "prepare"),
    ("execute p (my_function())", Unknown, "execute"),
    ("selec 1", Unknown, "unknown"),
    ("select ) from (", Unknown, "select"),
    ("\\copy t from x", Unknown, "unknown"),
];

#[test]
fn the_strongest_thing_in_a_statement_is_its_effect() {
    let mut wrong = Vec::new();
    for (text, effect, kind) in TABLE {
        let statement = one(text).statement;
        if statement.effect != *effect || !statement.kind.starts_with(kind) {
            wrong.push((text, statement.effect, statement.kind));
        }
        assert_eq!(statement.text, *text);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn comments_and_case_change_nothing() {
    let understood = TABLE.iter().filter(|row| row.2 != "unknown");
    for (text, ..) in understood {
        let commented = format!("/* a /* b */ c */ -- d\n{text} -- e");
        let (plain, commented) = (one(text).statement, one(&commented).statement);
        assert_eq!(commented.effect, plain.effect, "{text}");
        assert_eq!(commented.writes, plain.writes, "{text}");
    }
}
