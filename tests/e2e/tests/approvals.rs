//! Operations that wait for people.

use std::process::Child;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nix::sys::signal::{Signal, kill};
use serde_json::Value;
use sluice_e2e::database::{self, psql};
use sluice_e2e::{World, shown, text, wait_until, web};
use sluice_harness::{Daemonised, Job, Postgres};

/// People of the group dba that every Debian has; root starts the jobs.
const GROUPS: &str = "[groups]\ndba = [\"backup\", \"sys\", \"root\"]\nweb = [\"list\"]\n";

fn policy(terms: &str) -> String {
    format!(
        "version: 1\nname: careful\ndefault: deny\nrules:\n  - name: data\n    what: {{ host: db.internal, postgres: {{ effect: [read, write] }} }}\n    then: allow\n  \
         - name: schema\n    what: {{ host: db.internal, postgres: {{ effect: [ddl] }} }}\n    then: {{ approve: {{ from: [dba], {terms} }} }}\n  \
         - name: reads\n    what: {{ host: api.internal, http: {{ method: [GET] }} }}\n    then: allow\n  \
         - name: posts\n    what: {{ host: api.internal, http: {{ method: [POST] }} }}\n    then: {{ approve: {{ from: [dba], {terms} }} }}\n"
    )
}

const TERMS: &str = "count: 1, timeout: 30s, message: \"Ask in #dba\"";

struct Scene {
    world: World,
    server: Postgres,
    daemon: Daemonised,
}

impl Scene {
    fn or_skip(test: &str) -> anyhow::Result<Option<Self>> {
        let Some(world) = World::with_config_or_skip(test, &["db.internal"], GROUPS)? else {
            return Ok(None);
        };
        let server = database::start(&world.sluice)?;
        let daemon = world.daemon()?;
        Ok(Some(Self {
            world,
            server,
            daemon,
        }))
    }

    /// A job that asks for `sql`, after and before other statements.
    fn ask(&self, terms: &str, sql: &str) -> anyhow::Result<Child> {
        let script = format!(
            "{} -At -c 'select 1' -c '{sql}' -c 'select 2'",
            psql(&self.server)
        );
        self.world.start_under_daemon(&policy(terms), &script)
    }

    fn has_column(&self) -> anyhow::Result<bool> {
        let count = self.server.sql("select count(*) from information_schema.columns where table_name = 'people' and column_name = 'note'")?;
        Ok(count == "1")
    }

    fn answer(&self, user: &str, word: &str, held: &Value, reason: &str) -> anyhow::Result<Job> {
        self.world.as_user(
            user,
            &["approvals", word, text(held, "id"), "--reason", reason],
        )
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if !self.daemon.has_ended() {
            let _ = kill(self.daemon.pid(), Signal::SIGTERM);
            wait_until(Duration::from_secs(10), || self.daemon.has_ended());
        }
        let _ = self.world.sluice.ask(&["daemon", "--unload"]);
    }
}

const ALTER: &str = "alter table shop.people add column note text";

/// What waits, once something does.
fn held(world: &World) -> anyhow::Result<Value> {
    let mut found = None;
    wait_until(Duration::from_secs(15), || {
        let waiting = world.sluice.ask_json(&["approvals", "list", "--json"]);
        found = waiting.ok().and_then(|list| list.into_iter().next());
        found.is_some()
    });
    found.context("nothing is held")
}

fn nothing_waits(world: &World) -> bool {
    wait_until(Duration::from_secs(10), || {
        world
            .sluice
            .ask(&["approvals", "list", "--json"])
            .is_ok_and(|list| list.is_empty())
    })
}

fn end(child: Child) -> anyhow::Result<Job> {
    Ok(Job::of(&child.wait_with_output()?))
}

/// States of the approvals of all sessions, oldest first.
fn states(world: &World) -> anyhow::Result<Vec<String>> {
    let events = world.events_of("postgres")?;
    Ok(events
        .iter()
        .filter(|e| e["kind"] == "approval")
        .map(|e| text(e, "state").to_owned())
        .collect())
}

#[test]
fn a_statement_waits_until_the_right_person_approves_it() -> anyhow::Result<()> {
    let Some(scene) = Scene::or_skip("a_statement_waits_until_the_right_person_approves_it")?
    else {
        return Ok(());
    };
    let job = scene.ask(TERMS, ALTER)?;
    let waiting = held(&scene.world)?;
    ensure!(
        text(&waiting, "operation.statement") == ALTER
            && !text(&waiting, "operation.digest").is_empty(),
        "{waiting}"
    );
    ensure!(
        waiting["terms"]["from"] == serde_json::json!(["dba"]),
        "{waiting}"
    );
    let shown_text = scene
        .world
        .sluice
        .ask(&["approvals", "show", text(&waiting, "id")])?;
    for part in [ALTER, "dba", "psql", text(&waiting, "operation.digest")] {
        ensure!(shown_text.contains(part), "{part}: {shown_text}");
    }
    for (user, why) in [
        ("list", "none of the groups"),
        ("nobody", "none of the groups"),
        ("root", "you started this job"),
    ] {
        let answer = scene.answer(user, "approve", &waiting, "because")?;
        ensure!(
            answer.status != 0 && answer.stderr.contains(why),
            "{user}: {}",
            shown(&answer)
        );
    }
    ensure!(
        !scene.has_column()?,
        "it reached the server before it was approved"
    );
    let answer = scene.answer("backup", "approve", &waiting, "migration 42 was reviewed")?;
    ensure!(answer.status == 0, "{}", shown(&answer));
    let job = end(job)?;
    ensure!(
        job.stdout == "1\nALTER TABLE\n2\n" && job.status == 0,
        "{}",
        shown(&job)
    );
    ensure!(
        job.stderr.contains("NOTICE")
            && job.stderr.contains("dba")
            && job.stderr.contains("Ask in #dba"),
        "{}",
        shown(&job)
    );
    ensure!(scene.has_column()?);
    let sessions =
        scene
            .world
            .sluice
            .ask_json(&["sessions", "list", "--json", "--verdict", "approve"])?;
    let session = sessions.first().context("no session")?;
    let transcript = scene
        .world
        .sluice
        .ask(&["sessions", "show", text(session, "id")])?;
    ensure!(
        transcript.contains("backup") && transcript.contains("migration 42 was reviewed"),
        "{transcript}"
    );
    ensure!(
        states(&scene.world)? == ["requested", "approved"],
        "{:?}",
        states(&scene.world)?
    );
    Ok(())
}

#[test]
fn a_no_is_told_with_its_reason() -> anyhow::Result<()> {
    let Some(scene) = Scene::or_skip("a_no_is_told_with_its_reason")? else {
        return Ok(());
    };
    let job = scene.ask(TERMS, ALTER)?;
    let waiting = held(&scene.world)?;
    let answer = scene.answer("sys", "deny", &waiting, "not on a friday")?;
    ensure!(answer.status == 0, "{}", shown(&answer));
    let job = end(job)?;
    ensure!(
        job.stdout == "1\n2\n" && job.stderr.contains("not on a friday"),
        "{}",
        shown(&job)
    );
    ensure!(!scene.has_column()? && states(&scene.world)? == ["requested", "denied"]);
    let again = scene.answer("backup", "approve", &waiting, "late")?;
    ensure!(
        again.status != 0 && again.stderr.contains("no such request"),
        "{}",
        shown(&again)
    );
    Ok(())
}

#[test]
fn nobody_in_time_is_a_no() -> anyhow::Result<()> {
    let Some(scene) = Scene::or_skip("nobody_in_time_is_a_no")? else {
        return Ok(());
    };
    let job = end(scene.ask("timeout: 1s", ALTER)?)?;
    ensure!(
        job.stdout == "1\n2\n" && job.stderr.contains("ERROR"),
        "{}",
        shown(&job)
    );
    ensure!(
        !scene.has_column()? && states(&scene.world)? == ["requested", "timed_out"],
        "{:?}",
        states(&scene.world)?
    );
    Ok(())
}

#[test]
fn two_people_are_two_people() -> anyhow::Result<()> {
    let Some(scene) = Scene::or_skip("two_people_are_two_people")? else {
        return Ok(());
    };
    let job = scene.ask("count: 2, timeout: 30s", ALTER)?;
    let waiting = held(&scene.world)?;
    ensure!(scene.answer("backup", "approve", &waiting, "first")?.status == 0);
    let twice = scene.answer("backup", "approve", &waiting, "again")?;
    ensure!(
        twice.status != 0 && twice.stderr.contains("different people"),
        "{}",
        shown(&twice)
    );
    ensure!(!scene.has_column()?, "one was enough");
    ensure!(scene.answer("sys", "approve", &waiting, "second")?.status == 0);
    let job = end(job)?;
    ensure!(job.stdout == "1\nALTER TABLE\n2\n", "{}", shown(&job));
    ensure!(
        states(&scene.world)? == ["requested", "agreed", "approved"],
        "{:?}",
        states(&scene.world)?
    );
    Ok(())
}

#[test]
fn a_reason_can_be_wanted_and_an_approval_remembered() -> anyhow::Result<()> {
    let Some(scene) = Scene::or_skip("a_reason_can_be_wanted_and_an_approval_remembered")? else {
        return Ok(());
    };
    let sql = "create table if not exists shop.audit (id int)";
    let script = format!(
        "{psql} -q -c '{sql}' && {psql} -q -c '{sql}' && {psql} -q -c 'drop table shop.audit'",
        psql = psql(&scene.server)
    );
    let job = scene
        .world
        .start_under_daemon(&policy("timeout: 20s, remember: job"), &script)?;
    let first = held(&scene.world)?;
    ensure!(scene.answer("backup", "approve", &first, "yes")?.status == 0);
    let other = wait_until(Duration::from_secs(10), || {
        held(&scene.world).is_ok_and(|held| text(&held, "operation.statement").starts_with("drop"))
    });
    ensure!(other, "another statement does not wait");
    ensure!(
        scene
            .answer("backup", "deny", &held(&scene.world)?, "no")?
            .status
            == 0
    );
    let job = end(job)?;
    ensure!(job.status == 1, "{}", shown(&job));
    ensure!(scene.server.sql("select count(*) from shop.audit")? == "0");
    Ok(())
}

#[test]
fn processes_of_jobs_get_no_answer_of_the_api() -> anyhow::Result<()> {
    let Some(scene) = Scene::or_skip("processes_of_jobs_get_no_answer_of_the_api")? else {
        return Ok(());
    };
    let job = scene.ask(TERMS, ALTER)?;
    let waiting = held(&scene.world)?;
    let own = sluice_harness::binary()?;
    let state = scene.world.sluice.state();
    let words = format!("{} --state {}", own.display(), state.display());
    let id = text(&waiting, "id");
    let script = format!(
        "for user in backup root; do setpriv --reuid=$user --regid=nogroup --clear-groups {words} approvals approve {id} --reason mine; echo $?; done
(setsid setpriv --reuid=backup --regid=nogroup --clear-groups {words} approvals approve {id} --reason mine; echo $?) & wait; {words} approvals list; echo $?; {words} reload; echo $?"
    );
    let inside = scene.world.under_daemon(&policy(TERMS), &script)?;
    ensure!(inside.stdout == "1\n1\n1\n1\n1\n", "{}", shown(&inside));
    ensure!(!scene.has_column()?);
    ensure!(scene.answer("backup", "deny", &waiting, "no")?.status == 0);
    end(job)?;
    Ok(())
}

#[test]
fn a_client_that_goes_away_takes_its_request_back() -> anyhow::Result<()> {
    let Some(scene) = Scene::or_skip("a_client_that_goes_away_takes_its_request_back")? else {
        return Ok(());
    };
    let script = format!("timeout -s KILL 1 {} -c '{ALTER}'", psql(&scene.server));
    let job = scene.world.start_under_daemon(&policy(TERMS), &script)?;
    let waiting = held(&scene.world)?;
    end(job)?;
    ensure!(nothing_waits(&scene.world));
    let late = scene.answer("backup", "approve", &waiting, "late")?;
    ensure!(late.status != 0, "{}", shown(&late));
    ensure!(
        !scene.has_column()? && states(&scene.world)? == ["requested", "withdrawn"],
        "{:?}",
        states(&scene.world)?
    );
    Ok(())
}

#[test]
fn a_restart_of_the_daemon_is_a_no() -> anyhow::Result<()> {
    let Some(mut scene) = Scene::or_skip("a_restart_of_the_daemon_is_a_no")? else {
        return Ok(());
    };
    let job = scene.ask(TERMS, ALTER)?;
    held(&scene.world)?;
    kill(scene.daemon.pid(), Signal::SIGTERM)?;
    ensure!(wait_until(Duration::from_secs(10), || scene
        .daemon
        .has_ended()));
    let job = end(job)?;
    ensure!(!job.stdout.contains("ALTER TABLE"), "{}", shown(&job));
    scene.daemon = scene.world.daemon()?;
    ensure!(nothing_waits(&scene.world) && !scene.has_column()?);
    Ok(())
}

#[test]
fn a_request_of_http_waits_too_and_an_embedded_gate_asks_as_well() -> anyhow::Result<()> {
    let test = "a_request_of_http_waits_too_and_an_embedded_gate_asks_as_well";
    let Some(world) = World::with_config_or_skip(test, &["api.internal"], GROUPS)? else {
        return Ok(());
    };
    let peer = web::serve(&world.sluice)?;
    let url = web::url(&peer);
    for (word, status) in [("approve", "200"), ("deny", "403")] {
        let script = format!(
            "curl -sS -m 30 -o /dev/null -w '%{{http_code}} ' {url}/a -d x=1 {url}/b; curl -sS -m 30 {url}/get | head -1"
        );
        let mut run =
            world
                .sluice
                .run_command(&policy(TERMS), &["--quiet"], &["sh", "-c", &script])?;
        let child = run
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()?;
        let first = held(&world)?;
        ensure!(
            text(&first, "operation.method") == "POST" && text(&first, "operation.path") == "/a",
            "{first}"
        );
        // What they answer for is the body too.
        let shown_text = world
            .sluice
            .ask(&["approvals", "show", text(&first, "id")])?;
        let sha256 = text(&first, "operation.body_sha256");
        ensure!(
            first["operation"]["body_bytes"] == 3
                && shown_text.contains(&format!("body of 3 bytes, sha256:{sha256}")),
            "{shown_text}"
        );
        world.as_user("backup", &["approvals", word, text(&first, "id")])?;
        wait_until(Duration::from_secs(10), || {
            held(&world).is_ok_and(|next| next["id"] != first["id"])
        });
        let second = held(&world)?;
        ensure!(text(&second, "operation.path") == "/b", "{second}");
        world.as_user("backup", &["approvals", word, text(&second, "id")])?;
        let job = end(child)?;
        ensure!(
            job.stdout.starts_with(status) && job.stdout.matches(status).count() >= 2,
            "{word}: {}",
            shown(&job)
        );
        ensure!(
            job.stdout.contains("GET /get HTTP/1.1"),
            "{word}: {}",
            shown(&job)
        );
    }
    Ok(())
}

#[test]
fn what_is_remembered_of_a_request_is_its_body_too() -> anyhow::Result<()> {
    let test = "what_is_remembered_of_a_request_is_its_body_too";
    let Some(world) = World::with_config_or_skip(test, &["api.internal"], GROUPS)? else {
        return Ok(());
    };
    let peer = web::serve(&world.sluice)?;
    let url = web::url(&peer);
    // The second is the first again, the third has another body, the fourth one too large.
    let script = format!(
        "curl -sS -m 30 -o /dev/null -w '%{{http_code}} ' -d x=1 {url}/a --next -sS -m 30 -o /dev/null -w '%{{http_code}} ' -d x=1 {url}/a \
         --next -sS -m 30 -o /dev/null -w '%{{http_code}} ' -d x=2 {url}/a; \
         head -c 1048577 /dev/zero | curl -sS -m 30 -H Expect: --data-binary @- {url}/a"
    );
    let policy = policy("count: 1, timeout: 30s, remember: job");
    let mut run = world
        .sluice
        .run_command(&policy, &["--quiet"], &["sh", "-c", &script])?;
    let child = run
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()?;
    let first = held(&world)?;
    world.as_user("backup", &["approvals", "approve", text(&first, "id")])?;
    wait_until(Duration::from_secs(10), || {
        held(&world).is_ok_and(|next| next["id"] != first["id"])
    });
    let second = held(&world)?;
    ensure!(
        second["operation"]["path"] == first["operation"]["path"]
            && second["operation"]["digest"] != first["operation"]["digest"],
        "{second}"
    );
    world.as_user("backup", &["approvals", "deny", text(&second, "id")])?;
    let job = end(child)?;
    ensure!(
        job.stdout.starts_with("200 200 403 ") && job.stdout.contains("over 1048576 bytes"),
        "{}",
        shown(&job)
    );
    Ok(())
}
