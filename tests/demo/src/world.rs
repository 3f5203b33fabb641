//! The servers, the daemon and the job of the story.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;
use serde_json::Value;
use sluice_harness::{Daemonised, Nginx, Postgres, REMOTE, Sluice};

use crate::approver;
use crate::story::Story;

/// Whom the job runs as.
const JOB_USER: &str = "nobody";
/// The build's secret: nobody may see it leave, and no record may hold it.
const TOKEN: &str = "dep-7Zq3xV9kLm2Rt8Yw";

const SCHEMA: &str = "create schema payments;
    create table payments.cards (id int primary key, holder text, email text, card text, ssn text);
    create table payments.log (at timestamptz default now(), entry text);
    insert into payments.cards values
      (1, 'Ada', 'ada@example.com', '4111 1111 1111 1111', '078-05-1120'),
      (2, 'Grace', 'grace@example.com', '5500 0000 0000 0004', '219-09-9999');";

const API: &str = r#"
    location = /customers { default_type application/json;
        return 200 '{"name":"Ada","email":"ada@example.com","card":"4111111111111111"}'; }
    location = /collect { return 200 'thank you for the token'; }
    location / { return 204; }"#;

pub(crate) struct World {
    postgres: Postgres,
    api: Nginx,
    sluice: Sluice,
    daemon: Daemonised,
    /// cgroups of other instances, which are no part of this story.
    cgroups_before: usize,
}

/// What the job wrote, and how it ended.
pub(crate) struct Job {
    out: Vec<String>,
    status: i32,
    held: Value,
}

impl Job {
    fn line(&self, start: &str) -> Option<&str> {
        self.out
            .iter()
            .map(String::as_str)
            .find(|line| line.starts_with(start))
    }

    fn says(&self, part: &str) -> bool {
        self.out.iter().any(|line| line.contains(part))
    }
}

impl World {
    pub(crate) fn start(story: &mut Story) -> anyhow::Result<Self> {
        let cgroups_before = cgroups();
        let config = format!(
            "[resolver.hosts]\n\"db-prod.internal\" = [\"{REMOTE}\"]\n\"api.internal\" = [\"127.8.8.8\"]\n\
             \"eu.telemetry.internal\" = [\"127.7.7.7\"]\n[groups]\ndba = [\"{}\"]\n\
             [policy]\ndirectory = \"POLICIES\"\n",
            approver::APPROVER
        );
        let mut sluice = Sluice::with_config(&config)?;
        let place = sluice.scratch().path().to_owned();
        let config = config.replace("POLICIES", &place.join("policies").display().to_string());
        sluice.scratch().write("sluice.toml", &config)?;
        for (name, text) in PIPELINE {
            sluice.scratch().script(name, text)?;
        }
        sluice
            .scratch()
            .write("policies/repository/payments-ci.yaml", POLICY)?;
        let postgres = Postgres::start(sluice.scratch())?;
        postgres.sql(SCHEMA)?;
        story.tell(&format!(
            "PostgreSQL listens on db-prod.internal ({REMOTE}:{})",
            postgres.port
        ));
        let api = Nginx::start_with(sluice.scratch(), |port| {
            format!(
                "http {{ access_log {}/api.log; server {{ listen 127.8.8.8:{port}; listen {REMOTE}:{port}; {API} }} }}\n",
                place.display()
            )
        })?;
        story.tell(&format!(
            "nginx serves api.internal (127.8.8.8:{})",
            api.port
        ));
        let daemon = start_daemon(&mut sluice)?;
        let status = sluice.ask_json(&["status", "--json"])?;
        let lines = status
            .iter()
            .find_map(|s| s.get("enforcement"))
            .and_then(Value::as_array);
        let probed: Vec<&Value> = lines
            .map(|lines| {
                lines
                    .iter()
                    .filter(|l| detail(l).contains("probed"))
                    .collect()
            })
            .unwrap_or_default();
        for line in &probed {
            story.quote(
                "status",
                &format!("{}: {}", text(line, "what"), detail(line)),
            );
        }
        let all = probed.len() >= 5
            && probed
                .iter()
                .all(|l| l.get("enforced") == Some(&true.into()));
        story.promise(
            "the daemon is up; its probe went through the gate, hook by hook",
            all,
        );
        Ok(Self {
            postgres,
            api,
            sluice,
            daemon,
            cgroups_before,
        })
    }

    /// Runs the pipeline as a job, and kills the daemon when the job waits for the replicas.
    pub(crate) fn run_pipeline(&mut self, story: &mut Story) -> anyhow::Result<Job> {
        let approver = approver::start(self.sluice.state());
        let mut run = self
            .sluice
            .command(&["run", "--name", "payments-ci", "--user", JOB_USER])?;
        run.args([
            "--set",
            "repository=acme/payments",
            "--set",
            "commit=4f2c9e1",
        ])
        .args(["--secret", "DEPLOY_TOKEN", "--"])
        .arg(self.sluice.scratch().path().join("pipeline.sh"))
        .env("DEPLOY_TOKEN", TOKEN)
        .env("API_URL", format!("http://api.internal:{}", self.api.port))
        .env(
            "TELEMETRY_URL",
            format!("http://eu.telemetry.internal:{}", self.api.port),
        )
        .env(
            "DATABASE_URL",
            format!(
                "postgresql://postgres@db-prod.internal:{}/postgres?sslmode=prefer",
                self.postgres.port
            ),
        )
        .env("PATH", path_with_venv())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
        let mut child = run.spawn().context("cannot run the job")?;
        let stderr = child.stderr.take().context("no standard error")?;
        let errors = std::thread::spawn(move || {
            let lines = BufReader::new(stderr).lines().map_while(Result::ok);
            lines
                .inspect(|line| println!("     job ! {line}"))
                .collect::<Vec<String>>()
        });
        let mut out = Vec::new();
        for line in BufReader::new(child.stdout.take().context("no output")?).lines() {
            let line = line?;
            story.quote("job", &line);
            if line == "waiting for the replicas" {
                // Lets the flow before it come to its closing record.
                std::thread::sleep(Duration::from_millis(300));
                self.daemon.kill();
                story.tell("somebody kills the daemon (kill -9), in the middle of the job");
            }
            out.push(line);
        }
        let status = child.wait()?.code().unwrap_or(-1);
        out.extend(errors.join().unwrap_or_default());
        let held = match approver.join() {
            Ok(held) => held?,
            Err(_) => bail!("the approver panicked"),
        };
        Ok(Job { out, status, held })
    }

    pub(crate) fn check_job(&self, story: &mut Story, job: &Job) -> anyhow::Result<()> {
        let customers = job.line("customers:").unwrap_or_default();
        story.promise(
            "curl read the API; e-mail and card came back masked",
            customers.contains("\"name\":\"Ada\"")
                && customers.contains("1111")
                && !customers.contains("ada@example.com")
                && !customers.contains("4111111111111111"),
        );
        let card = job.line("card: Ada").unwrap_or_default();
        story.promise(
            "python read the rows; e-mail, card and the column ssn came back masked",
            card.contains("1111")
                && !card.contains("ada@")
                && !card.contains("4111 1111")
                && !card.contains("078-05"),
        );
        story.promise(
            "three shells deep, the stolen token did not leave: 403, by rule",
            job.says("sluice: refused by payments-ci/default")
                && !self.api_log().contains("/collect"),
        );
        story.promise(
            "a UDP datagram was refused by the kernel",
            job.says("udp: Operation not permitted"),
        );
        story.promise(
            "psql's insert went through",
            self.postgres.sql("select count(*) from payments.log")? == "1",
        );
        story.promise(
            "`drop table` was refused, in PostgreSQL's own words; the table is there",
            job.says("refused by payments-ci/nobody-drops-tables")
                && self.postgres.sql("select count(*) from payments.cards")? == "2",
        );
        let asked = job
            .held
            .get("operation")
            .map(|o| text(o, "statement"))
            .unwrap_or_default();
        story.promise(
            &format!("`{asked}` was held until a second person of the group dba approved it"),
            asked.contains("alter table")
                && job.says("held until dba approves")
                && job.says("alter: done"),
        );
        let column = "select count(*) from information_schema.columns where column_name = 'note'";
        story.promise(
            "then, and only then, it reached the server",
            self.postgres.sql(column)? == "1",
        );
        // curl's 6: already its question for the name was refused; 7: its connection.
        let refused = job.says("announce: exit 6") || job.says("announce: exit 7");
        let asked_again = self.api_log().matches("GET /customers").count() > 1;
        story.promise(
            "with the daemon dead the kernel refused whatever the job tried next",
            refused && !asked_again,
        );
        story.promise(
            "the job kept its own exit status",
            job.status == 0 && job.says("pipeline done"),
        );
        Ok(())
    }

    pub(crate) fn restart(&mut self, story: &mut Story) -> anyhow::Result<()> {
        self.daemon = start_daemon(&mut self.sluice)?;
        let status = self.sluice.ask_json(&["status", "--json"])?;
        let open = status.iter().any(|s| s.get("open") == Some(&true.into()));
        story.promise(
            "a new daemon took the pinned programs over; the gate is open again",
            open,
        );
        Ok(())
    }

    pub(crate) fn ask(&self, story: &mut Story) -> anyhow::Result<()> {
        let denied = self.sluice.ask_json(&[
            "sessions",
            "list",
            "--json",
            "--verdict",
            "deny",
            "--process",
            "**/psql",
        ])?;
        let session = denied
            .first()
            .context("no refused session of psql is in the record")?;
        let id = text(session, "id").to_owned();
        story.tell("$ sluice sessions list --verdict deny");
        for line in self
            .sluice
            .ask(&["sessions", "list", "--verdict", "deny"])?
            .lines()
        {
            story.tell(line);
        }
        story.tell(&format!("$ sluice lineage {id}"));
        let tree = self.sluice.ask(&["lineage", &id])?;
        tree.lines().for_each(|line| story.tell(line));
        let in_order = ["pipeline.sh", "deploy.sh", "psql"]
            .iter()
            .try_fold(0, |from, name| {
                tree.get(from..)
                    .and_then(|rest| rest.find(name))
                    .map(|at| from + at)
            });
        story.promise(
            "the lineage names pipeline.sh, deploy.sh and psql, complete",
            in_order.is_some() && session.get("lineage_complete") == Some(&true.into()),
        );
        let commit = session
            .get("job")
            .and_then(|j| j.get("labels"))
            .map(|l| text(l, "commit"));
        story.promise("and the commit", commit == Some("4f2c9e1"));
        let approved =
            self.sluice
                .ask_json(&["sessions", "list", "--json", "--verdict", "approve"])?;
        let approved = approved
            .first()
            .context("no approved session is in the record")?;
        story.tell(&format!("$ sluice sessions show {}", text(approved, "id")));
        let shown = self
            .sluice
            .ask(&["sessions", "show", text(approved, "id")])?;
        shown.lines().for_each(|line| story.tell(line));
        story.promise(
            "the transcript says who approved, and why",
            shown.contains(approver::APPROVER) && shown.contains("migration 42 was reviewed"),
        );
        let verified = self.sluice.command(&["store", "verify"])?.output()?;
        String::from_utf8_lossy(&verified.stdout)
            .lines()
            .for_each(|line| story.quote("verify", line));
        story.promise(
            "`store verify`: every record, every link of the chain",
            verified.status.success(),
        );
        let leaked = grep(
            &self.sluice.state(),
            &[
                TOKEN,
                "4111111111111111",
                "4111 1111 1111 1111",
                "078-05-1120",
            ],
        )?;
        story.promise(
            "no record holds the token, a card or a social security number",
            !leaked,
        );
        Ok(())
    }

    pub(crate) fn leave(self, story: &mut Story) -> anyhow::Result<()> {
        let Self {
            sluice,
            daemon,
            cgroups_before,
            ..
        } = self;
        drop(daemon);
        sluice.ask(&["daemon", "--unload"])?;
        let pins = sluice.state().join("bpf");
        let pinned = std::fs::read_dir(&pins).map(|d| d.count()).unwrap_or(0);
        story.promise(
            "programs are detached, pins and cgroups are gone",
            pinned == 0 && cgroups() <= cgroups_before,
        );
        Ok(())
    }

    fn api_log(&self) -> String {
        std::fs::read_to_string(self.sluice.scratch().path().join("api.log")).unwrap_or_default()
    }
}

const PIPELINE: [(&str, &str); 4] = [
    ("pipeline.sh", include_str!("../pipeline/pipeline.sh")),
    ("test.sh", include_str!("../pipeline/test.sh")),
    ("fixtures.py", include_str!("../pipeline/fixtures.py")),
    ("deploy.sh", include_str!("../pipeline/deploy.sh")),
];

const POLICY: &str = include_str!("../pipeline/payments-ci.yaml");

fn start_daemon(sluice: &mut Sluice) -> anyhow::Result<Daemonised> {
    let config = sluice
        .config()
        .context("no configuration")?
        .display()
        .to_string();
    let log = std::fs::File::create(sluice.scratch().path().join("daemon.log"))?;
    let mut command = sluice.command(&["daemon", "--config", &config])?;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    let mut daemon = Daemonised::spawn(&mut command, Signal::SIGTERM)?;
    let begun = Instant::now();
    while sluice.ask(&["status"]).is_err() {
        if daemon.has_ended() || begun.elapsed() > Duration::from_secs(20) {
            let log = std::fs::read_to_string(sluice.scratch().path().join("daemon.log"));
            bail!("the daemon does not come up: {}", log.unwrap_or_default());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(daemon)
}

/// psycopg is in the project's own venv.
fn path_with_venv() -> String {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/venv/bin");
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{}:{path}", tools.display())
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn detail(value: &Value) -> &str {
    text(value, "detail")
}

/// Whether one of the words stands anywhere below `directory`.
fn grep(directory: &Path, words: &[&str]) -> anyhow::Result<bool> {
    let mut command = Command::new("grep");
    command.args(["-r", "-q", "-F", "-a"]);
    for word in words {
        command.args(["-e", word]);
    }
    let status = command
        .arg(directory.join("log"))
        .status()
        .context("cannot run grep")?;
    match status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => bail!("grep failed"),
    }
}

/// cgroups of ours that are still there.
fn cgroups() -> usize {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let root = mounts
        .lines()
        .find(|line| line.contains(" - cgroup2 "))
        .and_then(|line| line.split(' ').nth(4))
        .unwrap_or("/sys/fs/cgroup");
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    entries
        .filter(|e| e.file_name().to_string_lossy().starts_with("sluice."))
        .count()
}
