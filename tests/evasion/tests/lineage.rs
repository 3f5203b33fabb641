//! The recorded lineage against the ground truth: each process says over its connection who it
//! is, and the record must say the same.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "all of it is test code; clippy knows only #[test] functions as such"
)]

use serde_json::{Value, json};
use sluice_evasion::{Witness, leaf, python, vector};
use sluice_harness::{Job, Sluice, cannot_capture, skipped};

/// What is compared of an exec.
const COMPARED: [&str; 6] = ["pid", "how", "exe", "argv", "cwd", "uid"];

/// A job whose processes tell a witness who they are.
struct Trial {
    sluice: Sluice,
    witness: Witness,
}

impl Trial {
    /// `None` where the kernel cannot be asked.
    fn new(name: &str) -> Option<Self> {
        if let Some(why) = cannot_capture() {
            skipped(name, why);
            return None;
        }
        let sluice = Sluice::new().unwrap();
        for file in ["truth", "lineage"] {
            // Where other users can read it too.
            let text = std::fs::read_to_string(vector(file)).unwrap();
            sluice
                .scratch()
                .write(&format!("{file}.py"), &text)
                .unwrap();
        }
        std::fs::create_dir(sluice.scratch().path().join("place")).unwrap();
        let witness = Witness::open().unwrap();
        Some(Self { sluice, witness })
    }

    fn run(&self, options: &[&str], case: &[&str]) -> Job {
        self.run_under(&self.witness.policy(), options, case)
    }

    fn run_under(&self, policy: &str, options: &[&str], case: &[&str]) -> Job {
        let script = self.sluice.scratch().path().join("lineage.py");
        let script = script.to_string_lossy();
        let mut line = vec![python(), "-B", &script];
        line.extend(case);
        let mut run = self.sluice.run_command(policy, options, &line).unwrap();
        run.env("TRUTH_SINK", format!("127.9.9.9 {}", self.witness.port()));
        run.env("DEPLOY_TOKEN", "hunter2-correct-horse");
        let job = Job::of(&run.output().unwrap());
        assert_eq!(job.status, 0, "{job:?}");
        job
    }

    fn place(&self) -> String {
        let place = self.sluice.scratch().path().join("place");
        place.canonicalize().unwrap().to_string_lossy().into_owned()
    }

    /// All that was told and all that was recorded are the same `count` chains.
    fn agrees(&self, count: usize) {
        let mut told = self.witness.told(count).unwrap();
        let sessions = self.sluice.sessions().unwrap();
        let mut recorded = Vec::new();
        for session in &sessions {
            assert_eq!(session["verdict"], "allow", "{session}");
            assert_eq!(session["lineage_complete"], true, "{session}");
            assert_eq!(session["destination"]["port"], self.witness.port());
            recorded.push(compared(&session["lineage"]));
        }
        sort(&mut told);
        sort(&mut recorded);
        let differ = told.iter().zip(&recorded).find(|(t, r)| t != r);
        if let Some((told, recorded)) = differ {
            panic!("told\n{told:#}\nrecorded\n{recorded:#}");
        }
        assert_eq!((told.len(), recorded.len()), (count, count));
    }
}

fn compared(lineage: &Value) -> Value {
    let one = |exec: &Value| -> Value {
        let kept = COMPARED.iter().map(|key| (*key, exec[*key].clone()));
        kept.map(|(key, value)| (key.to_owned(), value)).collect()
    };
    lineage.as_array().unwrap().iter().map(one).collect()
}

fn sort(chains: &mut [Value]) {
    chains.sort_by_cached_key(|chain| {
        let last = chain.as_array().and_then(|chain| chain.last());
        (
            last.map_or(0, |last| last["pid"].as_u64().unwrap_or(0)),
            chain.to_string(),
        )
    });
}

/// A case, what it is given, and how many of its processes connect.
fn right(case: &str, more: &[&str], count: usize) {
    let Some(trial) = Trial::new(case) else {
        return;
    };
    let mut line = vec![case];
    line.extend(more);
    trial.run(&[], &line);
    trial.agrees(count);
}

/// The same for a case that is given a directory.
fn right_in_a_place(case: &str) {
    let Some(trial) = Trial::new(case) else {
        return;
    };
    trial.run(&[], &[case, &trial.place()]);
    trial.agrees(1);
}

/// Cases that need nothing: a test each, with how many connect.
// table: a test a row.
macro_rules! right {
    ($($name:ident: $count:expr;)*) => {
        $(#[test]
        fn $name() {
            right(stringify!($name), &[], $count);
        })*
    };
}

right! {
    leaf_of_the_root: 1;
    forks: 2;
    double_fork: 1;
    clone_vfork: 1;
    vfork: 1;
    posix_spawn: 1;
    thread: 1;
    exec_from_a_thread: 1;
    fork_from_a_thread: 2;
    pipeline: 4;
    chains: 2;
    exits_at_once: 30;
    execs_at_once: 2;
    pid_namespace: 1;
    memfd: 1;
    uid: 1;
}

#[test]
fn a_deep_chain_of_forks() {
    right("deep", &["200"], 1);
}

#[test]
fn a_deep_chain_of_images() {
    right("deep_images", &["60"], 1);
}

#[test]
fn five_hundred_at_once() {
    right("many", &["500"], 500);
}

#[test]
fn shebang() {
    right_in_a_place("shebang");
}

#[test]
fn cwd() {
    right_in_a_place("cwd");
}

#[test]
fn relative() {
    right_in_a_place("relative");
}

#[test]
fn a_path_that_begins_like_a_trusted_one_is_not_trusted() {
    let Some(trial) = Trial::new("goes_up") else {
        return;
    };
    let policy = trial
        .witness
        .policy()
        .replace("    what:", "    who: { exe: \"/usr/bin/**\" }\n    what:");
    let run = |case: &[&str]| trial.run_under(&policy, &[], case).stdout;
    assert_eq!(run(&["attempt"]), "out\n");
    assert_eq!(
        run(&["goes_up", &trial.place()]),
        "Connection reset by peer\n"
    );
    let sessions = trial.sluice.sessions().unwrap();
    assert_eq!(sessions.last().unwrap()["verdict"], "deny", "{sessions:?}");
}

#[test]
fn deleted() {
    right_in_a_place("deleted");
}

#[test]
fn a_pid_that_comes_back_is_another_process() {
    let Some(trial) = Trial::new("pid_reuse") else {
        return;
    };
    let job = trial.run(&[], &["pid_reuse"]);
    let mut pids: Vec<&str> = job.stdout.lines().collect();
    pids.sort_unstable();
    pids.dedup();
    if pids.len() > 15 {
        return skipped("pid_reuse", "another process took the pid each time");
    }
    trial.agrees(20);
}

#[test]
fn two_kibibytes_of_arguments_are_whole() {
    right("long_argv", &["2048"], 1);
}

#[test]
fn sixty_four_kibibytes_of_arguments_are_cut_and_it_says_so() {
    let Some(trial) = Trial::new("long_argv") else {
        return;
    };
    trial.run(&[], &["long_argv", "65536"]);
    let told = trial.witness.told(1).unwrap();
    let session = trial.sluice.sessions().unwrap().remove(0);
    let exec = leaf(&session).unwrap();
    assert_eq!(exec["argv_state"], "truncated", "{exec}");
    let told = told[0].as_array().unwrap().last().unwrap();
    assert_eq!(exec["pid"], told["pid"]);
    for index in 0..4 {
        assert_eq!(exec["argv"][index], told["argv"][index]);
    }
    let (whole, kept) = (
        told["argv"][4].as_str().unwrap(),
        exec["argv"][4].as_str().unwrap(),
    );
    assert!(
        whole.starts_with(kept) && kept.len() >= 2048,
        "{}",
        kept.len()
    );
}

#[test]
fn secrets_in_arguments_are_masked_before_they_are_stored() {
    let Some(trial) = Trial::new("secret") else {
        return;
    };
    trial.run(&["--secret", "DEPLOY_TOKEN"], &["secret"]);
    let told = trial.witness.told(1).unwrap();
    assert!(
        told[0]
            .to_string()
            .contains("--token=hunter2-correct-horse")
    );
    let sessions = trial.sluice.sessions().unwrap();
    let argv = &leaf(&sessions[0]).unwrap()["argv"];
    assert!(argv[4].as_str().unwrap().starts_with("--token="), "{argv}");
    let log = trial.sluice.state().join("log");
    for file in walk(&log) {
        let bytes = std::fs::read(&file).unwrap();
        let found = bytes.windows(13).any(|window| window == b"hunter2-corre");
        assert!(!found, "the secret is in {}", file.display());
    }
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().flatten();
    let deeper = |path: std::path::PathBuf| match path.is_dir() {
        true => walk(&path),
        false => vec![path],
    };
    entries.flat_map(|entry| deeper(entry.path())).collect()
}

#[test]
fn a_rule_by_ancestors_follows_a_process_that_nobody_owns_any_more() {
    let Some(trial) = Trial::new("double_fork") else {
        return;
    };
    trial.run(&[], &["double_fork"]);
    let session = trial.sluice.sessions().unwrap().remove(0);
    let how: Vec<_> = session["lineage"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["how"])
        .collect();
    assert_eq!(json!(how), json!(["root", "fork", "fork"]));
}
