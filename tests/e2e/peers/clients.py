# What psycopg does with a server, told line by line. argv: URL
import sys, threading, time
import psycopg
from psycopg import sql

URL = sys.argv[1]
say = lambda *words: print(*words, flush=True)


def failed(act):
    try:
        act()
        say("no error")
    except psycopg.Error as error:
        say(type(error).__name__, error.sqlstate, str(error).splitlines()[0])


with psycopg.connect(URL, autocommit=True) as c:
    say("tls", c.pgconn.ssl_in_use, "encoding", c.info.encoding, "version", c.info.server_version)
    c.execute("drop schema if exists py cascade")
    c.execute("create schema py")
    c.execute("create table py.t (id int primary key, name text, b bytea, j jsonb, at timestamptz)")
    for binary in False, True:
        for _ in range(8):
            row = c.execute("select %s::int, %s::text, %s::bytea, %s::float8, now() is null", (1, "é✓", b"\x00\xff", 1.5), binary=binary, prepare=True).fetchone()
        say("prepared", binary, row)
    with c.cursor() as cursor:
        cursor.executemany("insert into py.t (id, name) values (%s, %s)", [(i, f"name {i}") for i in range(300)])
        say("inserted", cursor.rowcount)
    with c.pipeline() as p:
        rows = [c.execute("select id, name from py.t where id = %s", (i,)) for i in range(50)]
        p.sync()
        say("pipeline", [r.fetchone()[1] for r in rows[:3]], len(rows))
    failed(lambda: c.execute("select 1/0"))
    failed(lambda: c.execute("insert into py.t values (1)"))
    failed(lambda: c.execute("select * from nowhere where a = %s", (1,)))

    def broken_pipeline():
        with c.pipeline():
            c.execute("insert into py.t (id) values (1000)")
            c.execute("select %s / 0", (1,))
            c.execute("insert into py.t (id) values (1001)")
    failed(broken_pipeline)
    say("after", c.execute("select count(*) from py.t where id >= 1000").fetchone(), c.info.transaction_status.name)
    with c.transaction():
        with c.cursor(name="server_side") as cursor:
            cursor.execute("select id from py.t order by id")
            cursor.itersize = 37
            say("cursor", sum(row[0] for row in cursor))
    with c.cursor() as cursor:
        with cursor.copy("copy py.t (id, name, b) from stdin (format binary)") as copy:
            copy.set_types(["int4", "text", "bytea"])
            for i in range(5000, 5300):
                copy.write_row((i, f"copied {i}", bytes([i % 256])))
        with cursor.copy("copy (select id, name from py.t where id >= 5000 order by id limit 3) to stdout") as copy:
            say("copied", [row for row in copy.rows()])
        with cursor.copy("copy (select id, b from py.t where id >= 5000 order by id) to stdout (format binary)") as copy:
            say("binary", sum(len(piece) for piece in copy))

        def aborted():
            with cursor.copy("copy py.t (id) from stdin") as copy:
                copy.write("77777\n")
                raise psycopg.DataError("the client gives up")
        failed(aborted)
    say("large", len(c.execute("select string_agg(repeat('x', 1000), '') from generate_series(1, 20000)").fetchone()[0]))
    say("many", sum(1 for _ in c.execute("select g, repeat('y', 50) from generate_series(1, 100000) g")))
    with psycopg.connect(URL, autocommit=True) as other:
        c.execute("listen news")
        other.execute("notify news, 'it happened'")
        for note in c.notifies(timeout=10, stop_after=1):
            say("notified", note.channel, note.payload)
    notices = []
    c.add_notice_handler(lambda notice: notices.append((notice.severity, notice.message_primary)))
    c.execute("do $$ begin raise notice 'from do'; raise warning 'w'; end $$")
    say("notices", notices)
    begun = time.monotonic()
    threading.Timer(0.3, lambda: c.cancel_safe(timeout=10)).start()
    failed(lambda: c.execute("select pg_sleep(20)"))
    say("cancelled quickly", time.monotonic() - begun < 10, c.execute("select 1").fetchone())
    c.execute("drop schema py cascade")
failed(lambda: psycopg.connect(URL.replace("/postgres?", "/no_such_database?")))
