drop schema if exists e2e cascade;
create schema e2e;
create table e2e.t (id int primary key, name text not null, at timestamptz, n numeric(10,2), b bytea, a int[]);
insert into e2e.t values (1, 'one', '2026-01-01 00:00+00', 1.50, '\x00ff', '{1,2,3}'), (2, 'zwei ✓', null, null, null, null);
insert into e2e.t select g, 'row ' || g, null, g / 3.0, null, array[g] from generate_series(3, 500) g returning id, n;
select * from e2e.t order by id limit 5;
select count(*), sum(n), min(name), max(name) from e2e.t;
select id, name from e2e.t where name like '%✓%';
update e2e.t set name = upper(name) where id = 1 returning *;
delete from e2e.t where id > 490 returning id;
select 1 / 0;
selec t;
insert into e2e.t values (1, 'again');
insert into e2e.t (id) values (9999);
select * from e2e.no_such_table;
begin;
insert into e2e.t values (1000, 'in a transaction');
savepoint s;
select no_such_function();
rollback to s;
select name from e2e.t where id = 1000;
rollback;
select count(*) from e2e.t where id = 1000;
begin; select 1; select 2/0; select 3; commit;
select 1 as a \; select 2 as b \; select 3 as c \;
prepare p (int) as select name from e2e.t where id = $1;
execute p (2);
execute p (3);
deallocate p;
begin;
declare c scroll cursor for select id from e2e.t order by id;
fetch 3 from c;
fetch backward 1 from c;
move 10 in c;
fetch all from c;
close c;
commit;
do $$ begin raise notice 'hello % and %', 1, 'two'; raise warning 'careful'; end $$;
create function e2e.f(x int) returns int language plpgsql as $$ begin raise notice 'in f'; return x * 2; end $$;
select e2e.f(21);
create index on e2e.t (name);
create view e2e.v as select id from e2e.t where id < 4;
table e2e.v;
with recursive r(n) as (select 1 union all select n + 1 from r where n < 10) select sum(n) from r;
explain (costs off) select * from e2e.t where id = 1;
set application_name = 'e2e';
show application_name;
select current_setting('application_name');
\x on
select * from e2e.t where id = 1;
\x off
\d e2e.t
\dt e2e.*
\df e2e.*
copy e2e.t (id, name) to stdout where_is_no_such_thing;
copy (select id, name from e2e.t order by id limit 4) to stdout;
copy (select id, name from e2e.t order by id limit 4) to stdout with csv header;
copy e2e.t (id, name) from stdin;
2001	copied
2002	kopiert ✓
\.
copy e2e.t (id, name) from stdin;
not a number	x
\.
select id, name from e2e.t where id > 2000 order by id;
select repeat('x', 100000);
select ''; select null; select ' ';
select;
;
/* a comment only */;
listen channel;
notify channel, 'payload';
unlisten channel;
truncate e2e.t;
drop schema e2e cascade;
