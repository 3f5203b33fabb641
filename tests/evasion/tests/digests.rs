//! Programs that pass for another by what is in their files: a rule by path lets them out, one by
//! `exe_sha256` never does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "all of it is test code; clippy knows only #[test] functions as such"
)]

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use sluice_evasion::{Kind, Sink, job, leaf, outcome, python};
use sluice_harness::{Sluice, cannot_capture, skipped};

/// What is behind the end of a Python of its own: the two are of one size.
const GOOD: &[u8] = b"good";
const EVIL: &[u8] = b"evil";

/// A sink, and two programs: `tool`, which the job runs, and `good`.
struct Trial {
    sluice: Sluice,
    sink: Sink,
    tool: PathBuf,
    good: PathBuf,
}

impl Trial {
    /// `None` where the kernel cannot be asked.
    fn new(name: &str, in_tool: &[u8]) -> Option<Self> {
        if let Some(why) = cannot_capture() {
            skipped(name, why);
            return None;
        }
        let sluice = Sluice::new().unwrap();
        let place = sluice.scratch().path().canonicalize().unwrap();
        let program = |name: &str, more: &[u8]| {
            let path = place.join(name);
            std::fs::copy(python(), &path).unwrap();
            let whole = [std::fs::read(&path).unwrap().as_slice(), more].concat();
            std::fs::write(&path, whole).unwrap();
            path
        };
        Some(Self {
            tool: program("tool", in_tool),
            good: program("good", GOOD),
            sink: Sink::open(Kind::Tcp4, 0).unwrap(),
            sluice,
        })
    }

    fn policy(&self, who: &str) -> String {
        format!(
            "version: 1\nname: files\ndefault: deny\nrules:\n  - name: tool\n    who: {{ {who} }}\n    \
             what: {{ cidr: [{}], port: {}, protocol: opaque }}\n    then: allow\n",
            self.sink.address(),
            self.sink.port()
        )
    }

    /// Runs a case under a rule that allows this; gives what it said and the session of it.
    fn run(&self, who: &str, case: &str, word: &str) -> (String, Value) {
        self.run_under(&self.policy(who), case, word)
    }

    fn run_under(&self, policy: &str, case: &str, word: &str) -> (String, Value) {
        let (tool, good) = (self.tool.to_str().unwrap(), self.good.to_str().unwrap());
        let more = [case, tool, good];
        let job = job(&self.sluice, policy, "disguised", &self.sink, word, &more).unwrap();
        let said = outcome(&job.stdout);
        assert!(!said.is_empty(), "{job:?}");
        let session = self.sluice.sessions().unwrap().pop().unwrap();
        (said, session)
    }

    fn by_path(&self) -> String {
        format!("exe: {:?}", self.tool.display().to_string())
    }

    fn by_digest(&self) -> String {
        format!("exe_sha256: {:?}", sha256(&self.good))
    }
}

/// As another program has it.
fn sha256(path: &std::path::Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(' ').next().unwrap().to_owned()
}

#[test]
fn the_program_that_a_rule_names_gets_out_and_a_changed_one_at_its_path_does_not() {
    let Some(trial) = Trial::new("exe_sha256", GOOD) else {
        return;
    };
    let good = sha256(&trial.good);
    let (said, session) = trial.run(&trial.by_digest(), "plain", "word-good");
    assert_eq!(
        (said.as_str(), &session["verdict"]),
        ("out", &"allow".into())
    );
    trial.sink.must_see("word-good").unwrap();
    let of_leaf = leaf(&session).unwrap();
    assert_eq!(of_leaf["exe_sha256"], good.as_str(), "{of_leaf}");
    assert_eq!(of_leaf["image"], Value::Null, "{of_leaf}");
    // The image that executed it has no process any more, and nobody asked for it before.
    let of_root = &session["lineage"][0];
    assert_eq!(of_root["exe_sha256_unknown"], "another_file", "{of_root}");

    let whole = std::fs::read(&trial.tool).unwrap();
    let changed = [whole.strip_suffix(GOOD).unwrap(), EVIL].concat();
    std::fs::write(&trial.tool, changed).unwrap();
    let (said, session) = trial.run(&trial.by_digest(), "plain", "word-evil");
    assert_ne!(said, "out");
    trial.sink.must_have_seen_nothing("word-evil").unwrap();
    assert_eq!(session["verdict"], "deny", "{session}");
    let of_leaf = leaf(&session).unwrap();
    assert_eq!(of_leaf["exe_sha256"], sha256(&trial.tool).as_str());
}

#[test]
fn where_no_rule_asks_the_record_says_nothing_of_files() {
    let Some(trial) = Trial::new("exe_sha256_unasked", GOOD) else {
        return;
    };
    let (said, session) = trial.run(&trial.by_path(), "plain", "word");
    assert_eq!(said, "out");
    for exec in session["lineage"].as_array().unwrap() {
        assert_eq!(exec["exe_sha256"], Value::Null, "{exec}");
        assert_eq!(exec["exe_sha256_unknown"], Value::Null, "{exec}");
    }
}

/// A case that gets out where the rule is by path, and not where it is by digest; the record has
/// the digest of what ran, or why it was unknown. Which, where both can be, the threads decide.
fn never(case: &str, whys: &[&str]) {
    let Some(off) = Trial::new(case, EVIL) else {
        return;
    };
    let (said, _) = off.run(&off.by_path(), case, "word-off");
    assert_eq!(said, "out", "{case} proves nothing");
    off.sink.must_see("word-off").unwrap();

    let on = Trial::new(case, EVIL).unwrap();
    let evil = sha256(&on.tool);
    let (said, session) = on.run(&on.by_digest(), case, "word-on");
    assert_ne!(said, "out", "{case}");
    on.sink.must_have_seen_nothing("word-on").unwrap();
    assert_eq!(session["verdict"], "deny", "{session}");
    let leaf = leaf(&session).unwrap();
    let why = leaf["exe_sha256_unknown"].as_str();
    match leaf["exe_sha256"].as_str() {
        Some(known) => assert_eq!(known, evil, "{case}: {leaf}"),
        None => assert!(why.is_some_and(|why| whys.contains(&why)), "{leaf}"),
    }
}

#[test]
fn a_file_renamed_over_its_own() {
    never("renamed_over", &["changed"]);
}

#[test]
fn a_file_linked_over_its_own() {
    never("linked_over", &["changed"]);
}

#[test]
fn another_image_after_the_connect() {
    never("goes_on_as_the_good_one", &["another_file", "ended"]);
}

#[test]
fn an_end_and_other_content_in_the_same_file() {
    never("ended_and_overwritten", &["ended", "changed"]);
}

#[test]
fn why_it_was_unknown_is_explained() {
    let Some(trial) = Trial::new("exe_sha256_explained", EVIL) else {
        return;
    };
    // Of a connection on which nothing could be allowed no operation is asked for.
    let policy = format!(
        "{}  - {{ name: web, what: {{ http: {{ path: /never }} }}, then: allow }}\n",
        trial.policy(&trial.by_digest())
    );
    let (said, session) = trial.run_under(&policy, "renamed_over", "word");
    assert_ne!(said, "out");
    let id = session["id"].as_str().unwrap();
    let text = trial.sluice.ask(&["policy", "explain", id]).unwrap();
    let why = "who.exe_sha256 unknown (its file was changed, renamed or deleted after it ran)";
    assert!(text.contains(why), "{text}");
    assert!(text.contains("unknown never allows"), "{text}");
}
