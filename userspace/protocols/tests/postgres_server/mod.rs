//! A server of its own for each test, and a relay in front of it.

use std::fs;
use std::net::{Ipv4Addr, TcpListener as StdListener};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use sluice_flow::gate::Direction;
use sluice_flow::{Answer, Cause, Gate, Judgement, Operation, Pass, Refusal, RuleRef};
use sluice_masking::{Hits, MaskRule, Masker, Strategy};
use sluice_protocols::postgres::{Cancels, Facts, serve};
use sluice_protocols::sql::ParseCache;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// A server that ends with the value.
pub(crate) struct Server {
    directory: TempDir,
    binaries: PathBuf,
    port: u16,
}

impl Server {
    /// A fresh server; `None` where PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Self> {
        let binaries = installed()?;
        let directory = tempfile::tempdir().unwrap();
        let port = StdListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let server = Self {
            directory,
            binaries,
            port,
        };
        if is_root() {
            let (uid, gid) = owner();
            chown(server.directory.path(), Some(uid), Some(gid)).unwrap();
        }
        let data = server.data();
        let init = [
            "-A",
            "trust",
            "-U",
            "postgres",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
            "-D",
        ];
        server.tool("initdb", &[&init[..], &[&data]].concat());
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} -c fsync=off",
            server.directory.path().display()
        );
        let log = server.directory.path().join("log").display().to_string();
        server.tool(
            "pg_ctl",
            &["-D", &data, "-o", &options, "-l", &log, "-w", "start"],
        );
        Some(server)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn data(&self) -> String {
        self.directory.path().join("data").display().to_string()
    }

    fn tool(&self, name: &str, arguments: &[&str]) {
        let mut command = as_owner(&self.binaries.join(name));
        command.args(arguments).current_dir(self.directory.path());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        assert!(command.status().unwrap().success(), "{name} {arguments:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.data();
        let mut command = as_owner(&self.binaries.join("pg_ctl"));
        command.args(["-D", &data, "-m", "immediate", "-w", "stop"]);
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

fn installed() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|path| path.join("initdb").exists())
        .collect();
    versions.sort();
    versions.pop()
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// Who runs the server when this is root: initdb refuses root.
fn owner() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = users
        .lines()
        .find(|line| line.starts_with("postgres:"))
        .unwrap();
    let mut fields = line.split(':').skip(2).map(|field| field.parse().unwrap());
    (fields.next().unwrap(), fields.next().unwrap())
}

fn as_owner(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let (uid, gid) = owner();
    let mut command = Command::new("setpriv");
    command.args([
        format!("--reuid={uid}"),
        format!("--regid={gid}"),
        "--clear-groups".to_owned(),
    ]);
    command.arg(program);
    command
}

/// What psql prints, both streams.
pub(crate) fn psql(port: u16, arguments: &[&str], script: &str) -> String {
    let mut command = client("psql", port);
    command.args(["-X", "-d", "postgres"]).args(arguments);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let script = script.to_owned();
    let writer = std::thread::spawn(move || {
        std::io::Write::write_all(&mut input, script.as_bytes()).unwrap();
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    both(&output)
}

/// psql that gets SIGINT while its statement runs.
pub(crate) fn interrupted_psql(port: u16, statement: &str) -> String {
    let mut command = client("timeout", port);
    let output = command
        .args([
            "--signal=INT",
            "2",
            "psql",
            "-X",
            "-d",
            "postgres",
            "-c",
            statement,
        ])
        .output()
        .unwrap();
    both(&output)
}

pub(crate) fn pgbench(port: u16, arguments: &[&str]) -> String {
    let output = client("pgbench", port)
        .args(arguments)
        .arg("postgres")
        .output()
        .unwrap();
    both(&output)
}

fn client(program: &str, port: u16) -> Command {
    let mut command = Command::new(program);
    command
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", port.to_string());
    command
        .env("PGUSER", "postgres")
        .env("LC_ALL", "C")
        .env("PGCLIENTENCODING", "UTF8");
    command
}

fn both(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|s| String::from_utf8_lossy(s));
    format!("{out}{err}")
}

/// What the gate of a relay says.
#[derive(Clone, Default)]
pub(crate) struct Rules {
    refused: Option<&'static str>,
    masker: Option<Arc<Masker>>,
}

impl Rules {
    /// Statements of this kind are refused.
    pub(crate) fn refusing(kind: &'static str) -> Self {
        Self {
            refused: Some(kind),
            ..Self::default()
        }
    }

    /// This column is masked.
    pub(crate) fn masking(column: &str) -> Self {
        let rule = MaskRule {
            name: "test".to_owned(),
            detect: Vec::new(),
            columns: vec![column.to_owned()],
            json_keys: Vec::new(),
            strategy: Strategy::Redact,
        };
        let masker = Masker::compile(&[rule], &[], &[7; 32]).unwrap();
        Self {
            masker: Some(Arc::new(masker)),
            ..Self::default()
        }
    }
}

struct TestGate {
    rules: Rules,
    operations: u64,
}

impl Gate for TestGate {
    async fn judge(&mut self, operation: Operation) -> Judgement {
        let Operation::Postgres(message) = operation else {
            panic!("another protocol");
        };
        self.operations += 1;
        if message
            .statements
            .iter()
            .any(|s| Some(s.kind.as_str()) == self.rules.refused)
        {
            return Judgement::Refuse(Refusal {
                cause: Cause::Policy,
                rules: vec![RuleRef {
                    policy: "test".into(),
                    rule: "no-delete".into(),
                }],
                message: "not here".into(),
            });
        }
        Judgement::Forward(Pass {
            operation: self.operations,
            masker: self.rules.masker.clone(),
            record_payload: false,
            judges_answer: false,
        })
    }

    fn answered(&mut self, _: u64, _: Answer) {}
    fn masked(&mut self, _: u64, _: &Hits) {}
    fn payload(&mut self, _: u64, _: Direction, _: &[u8]) {}
    fn refused(&mut self, _: &Refusal) {}
    fn passed(&mut self, _: Direction, _: u64) {}
}

/// A gate in front of a server, until the test's process ends.
pub(crate) struct Relay {
    port: u16,
}

impl Relay {
    pub(crate) fn start(server: u16, rules: Rules) -> Self {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(LocalSet::new().run_until(relay(listener, server, rules)));
        });
        Self { port }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

async fn relay(listener: StdListener, server: u16, rules: Rules) {
    let listener = TcpListener::from_std(listener).unwrap();
    let cancels = Cancels::default();
    let cache = Arc::new(ParseCache::default());
    while let Ok((client, _)) = listener.accept().await {
        let (cancels, cache, rules) = (cancels.clone(), Arc::clone(&cache), rules.clone());
        tokio::task::spawn_local(async move {
            let upstream = TcpStream::connect((Ipv4Addr::LOCALHOST, server))
                .await
                .unwrap();
            client.set_nodelay(true).unwrap();
            upstream.set_nodelay(true).unwrap();
            let facts = Facts {
                cache: &cache,
                cancels: &cancels,
                columns_masked: rules.masker.is_some(),
            };
            let mut gate = TestGate {
                rules,
                operations: 0,
            };
            if let Err(error) = serve(client, upstream, &mut gate, &[], facts).await {
                println!("relay: {error}");
            }
        });
    }
}
