//! PostgreSQL: real clients and a real server, direct and through the gate.

use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context as _, ensure};
use sluice_e2e::database::{self, OPEN, psql, url};
use sluice_e2e::{World, python, shown};
use sluice_harness::{Postgres, REMOTE, free_port};

fn world(test: &str) -> anyhow::Result<Option<(World, Postgres)>> {
    let Some(world) = World::or_skip(test, &["db.internal"])? else {
        return Ok(None);
    };
    let server = database::start(&world.sluice)?;
    Ok(Some((world, server)))
}

/// psql's own words of a statement: rows, tags, notices, errors with their positions.
#[test]
fn a_script_of_psql_says_the_same() -> anyhow::Result<()> {
    let Some((world, server)) = world("a_script_of_psql_says_the_same")? else {
        return Ok(());
    };
    let script = include_str!("../peers/statements.sql");
    let file = world.sluice.scratch().write("statements.sql", script)?;
    let run = format!(
        "{} -e -f {} 2>&1 | sed 's/PID [0-9]*/PID n/'",
        psql(&server),
        file.display()
    );
    let job = world.same(OPEN, &run)?;
    for part in [
        "division by zero",
        "hello 1 and two",
        "payload",
        "COPY 2",
        "kopiert",
        "ROLLBACK",
        "DROP SCHEMA",
    ] {
        ensure!(job.stdout.contains(part), "{part}: {}", shown(&job));
    }
    let sessions = world.sluice.sessions_of("postgres")?;
    let session = sessions.first().context("no session")?;
    ensure!(
        session["operations"].as_u64() > Some(60) && session["refused"] == 0,
        "{session}"
    );
    ensure!(session["destination"]["host"] == "db.internal", "{session}");
    Ok(())
}

#[test]
fn what_psycopg_does_works_the_same() -> anyhow::Result<()> {
    let Some((world, server)) = world("what_psycopg_does_works_the_same")? else {
        return Ok(());
    };
    let clients = world
        .sluice
        .scratch()
        .write("clients.py", include_str!("../peers/clients.py"))?;
    let run = format!(
        "timeout 60 {} {} '{}' 2>/dev/null",
        python().display(),
        clients.display(),
        url(&server)
    );
    let job = world.same(OPEN, &run)?;
    ensure!(
        job.status == 0 && job.stdout.contains("QueryCanceled 57014"),
        "{}",
        shown(&job)
    );
    ensure!(
        job.stdout.contains("cancelled quickly True (1,)"),
        "{}",
        shown(&job)
    );
    Ok(())
}

#[test]
fn psql_copies_files_both_ways() -> anyhow::Result<()> {
    let Some((world, server)) = world("psql_copies_files_both_ways")? else {
        return Ok(());
    };
    let place = world.sluice.scratch().path().display().to_string();
    let lines: String = (0..50_000)
        .map(|i| format!("{i}\tline {i} of the file\n"))
        .collect();
    world.sluice.scratch().write("in.tsv", &lines)?;
    let script = format!(
        "{psql} -q -c 'drop table if exists copied' -c 'create table copied (id int, line text)' \
         -c \"\\copy copied from '{place}/in.tsv'\" -c \"\\copy (select * from copied order by id) to '{place}/out.tsv'\" \
         -c 'select count(*) from copied' 2>/dev/null; cmp {place}/in.tsv {place}/out.tsv && echo same; rm {place}/out.tsv",
        psql = psql(&server)
    );
    let job = world.same(OPEN, &script)?;
    ensure!(
        job.stdout.contains("50000") && job.stdout.ends_with("same\n"),
        "{}",
        shown(&job)
    );
    Ok(())
}

#[test]
fn passwords_work_the_same() -> anyhow::Result<()> {
    let Some((world, server)) = world("passwords_work_the_same")? else {
        return Ok(());
    };
    for user in ["ada", "bob"] {
        for (password, status) in [("lovelace", 0), ("wrong", 2), ("", 2)] {
            let line = format!("*:*:*:*:{password}\n");
            let pass = world.sluice.scratch().write("pgpass", &line)?;
            std::fs::set_permissions(&pass, std::fs::Permissions::from_mode(0o600))?;
            let url = url(&server).replace("postgres@", &format!("{user}@"));
            let job = world.same(
                OPEN,
                &format!(
                    "PGPASSFILE={} psql -X -w '{url}' -At -c 'select current_user'",
                    pass.display()
                ),
            )?;
            ensure!(job.status == status, "{user} {password}: {}", shown(&job));
            ensure!(
                (job.stdout == format!("{user}\n")) == (status == 0),
                "{}",
                shown(&job)
            );
        }
    }
    let log = std::process::Command::new("grep")
        .args(["-rlaF", "lovelace"])
        .arg(world.sluice.state())
        .output()?;
    ensure!(
        log.stdout.is_empty(),
        "a password is kept in {}",
        String::from_utf8_lossy(&log.stdout)
    );
    Ok(())
}

#[test]
fn pgbench_runs() -> anyhow::Result<()> {
    let Some((world, server)) = world("pgbench_runs")? else {
        return Ok(());
    };
    let at = format!("-h db.internal -p {} -U postgres postgres", server.port);
    for (run, said) in [
        (format!("pgbench -q -i -s1 {at} 2>&1"), "done in"),
        (
            format!("pgbench -n -S -c 4 -T 2 {at} 2>&1"),
            "number of failed transactions: 0",
        ),
        (
            format!("pgbench -n -M prepared -c 4 -t 50 {at} 2>&1"),
            "number of transactions actually processed: 200/200",
        ),
        (
            format!("pgbench -n -M extended -c 2 -t 50 {at} 2>&1"),
            "number of transactions actually processed: 100/100",
        ),
        (
            format!(
                "pg_dump -h db.internal -p {} -U postgres -t 'shop.*' postgres | sha256sum",
                server.port
            ),
            "  -",
        ),
    ] {
        let job = world.gated(OPEN, &run)?;
        ensure!(
            job.status == 0 && job.stdout.contains(said),
            "{run}: {}",
            shown(&job)
        );
    }
    let direct = world.direct(&format!("pg_dump -h db.internal -p {} -U postgres -t 'shop.*' postgres | grep -v '^.restrict\\|^.unrestrict'", server.port))?;
    let gated = world.gated(OPEN, &format!("pg_dump -h db.internal -p {} -U postgres -t 'shop.*' postgres | grep -v '^.restrict\\|^.unrestrict'", server.port))?;
    ensure!(
        direct.stdout == gated.stdout && direct.stdout.contains("ada@example.com"),
        "{}",
        shown(&gated)
    );
    Ok(())
}

#[test]
fn encryption_that_the_gate_cannot_look_into_is_declined() -> anyhow::Result<()> {
    let Some((world, server)) = world("encryption_that_the_gate_cannot_look_into_is_declined")?
    else {
        return Ok(());
    };
    let at = url(&server);
    let prefer = world.same(
        OPEN,
        &format!("psql -X '{at}&sslmode=prefer' -At -c 'select 1'"),
    )?;
    ensure!(prefer.stdout == "1\n", "{}", shown(&prefer));
    let require = world.same(
        OPEN,
        &format!("psql -X '{at}&sslmode=require' -At -c 'select 1'"),
    )?;
    ensure!(
        require.status == 2 && require.stderr.contains("SSL"),
        "{}",
        shown(&require)
    );
    let replication = world.gated(
        OPEN,
        &format!("psql -X '{at}&replication=database' -At -c 'IDENTIFY_SYSTEM'"),
    )?;
    ensure!(
        replication.status == 2 && replication.stderr.contains("sluice"),
        "{}",
        shown(&replication)
    );
    Ok(())
}

#[test]
fn a_server_that_is_down_or_goes_is_told_in_words() -> anyhow::Result<()> {
    let Some((world, server)) = world("a_server_that_is_down_or_goes_is_told_in_words")? else {
        return Ok(());
    };
    let closed = free_port(REMOTE)?;
    let job = world.gated(
        &OPEN.replace("protocol: postgres", "postgres: { effect: [read] }"),
        &format!("psql -X 'postgresql://postgres@db.internal:{closed}/postgres' -c 'select 1'"),
    )?;
    ensure!(
        job.status == 2 && job.stderr.contains("sluice") && job.stderr.contains("refused"),
        "{}",
        shown(&job)
    );
    let script = format!(
        "{} -c 'select 1' -c 'select pg_terminate_backend(pg_backend_pid())' -c 'select 2'",
        psql(&server)
    );
    let job = world.same(OPEN, &script)?;
    ensure!(
        job.status == 2 && job.stderr.contains("terminating connection"),
        "{}",
        shown(&job)
    );
    Ok(())
}
