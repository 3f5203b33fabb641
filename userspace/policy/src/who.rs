//! Who opened a flow: the `who` block against a lineage.

use std::sync::Arc;

use sluice_flow::{Exec, Lineage};

use crate::glob::Glob;
use crate::truth::{AllOf, Truth};

/// A user by number or by a name that may be unknown on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum User {
    Uid(u32),
    /// A name that nothing is known of here: whether it matches cannot be told.
    Unresolved(String),
}

/// Keys of one program image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Image {
    pub(crate) exe: Vec<Glob>,
    /// In lower case, as a lineage has them.
    pub(crate) exe_sha256: Vec<String>,
    pub(crate) argv: Vec<Glob>,
    pub(crate) user: Vec<User>,
    pub(crate) cwd: Vec<Glob>,
}

impl Image {
    fn keys(&self, exec: &Exec, all: &mut AllOf<'_>) {
        if !self.exe.is_empty() {
            all.key("exe", || exe(&self.exe, exec));
        }
        if !self.exe_sha256.is_empty() {
            let why = || self.why_unknown(exec);
            all.key_because("exe_sha256", || exe_sha256(&self.exe_sha256, exec), why);
        }
        if !self.argv.is_empty() {
            all.key("argv", || argv(&self.argv, exec));
        }
        if !self.user.is_empty() {
            all.key("user", || user(&self.user, exec.uid));
        }
        if !self.cwd.is_empty() {
            all.key("cwd", || path(&self.cwd, &exec.cwd));
        }
    }

    fn truth(&self, exec: &Exec) -> Truth {
        let mut all = AllOf::quick();
        self.keys(exec, &mut all);
        all.truth()
    }

    /// Why it cannot be told what is in the program's file, where a key asks for it.
    fn why_unknown(&self, exec: &Exec) -> Option<String> {
        if self.exe_sha256.is_empty() || exec.exe_sha256.is_some() {
            return None;
        }
        Some(match exec.exe_sha256_unknown {
            Some(why) => why.to_string(),
            None => "no rule asked for it when the flow was opened".to_owned(),
        })
    }
}

/// The step: by globs of its program, or by its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Exe(Vec<Glob>),
    Image(Image),
}

/// The `who` block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Who {
    pub(crate) image: Image,
    pub(crate) step: Option<Step>,
    pub(crate) parent: Option<Image>,
    pub(crate) ancestor: Option<Image>,
    pub(crate) via: Vec<Glob>,
    /// Images of containers are not known in this version.
    pub(crate) container: bool,
    pub(crate) incomplete_will_do: bool,
}

impl Who {
    /// Whether a key is about what is in a program's file.
    pub(crate) fn asks_exe_sha256(&self) -> bool {
        let step = match &self.step {
            Some(Step::Image(image)) => Some(image),
            Some(Step::Exe(_)) | None => None,
        };
        let above = [step, self.parent.as_ref(), self.ancestor.as_ref()];
        let mut images = above.into_iter().flatten().chain([&self.image]);
        images.any(|image| !image.exe_sha256.is_empty())
    }

    pub(crate) fn truth(&self, lineage: &Lineage) -> Truth {
        let mut all = AllOf::quick();
        self.keys(lineage, &mut all);
        all.truth()
    }

    /// All keys against a lineage. A lineage with a gap is unknown unless `lineage: any` says
    /// that it will do; what stands above a gap is unknown even then.
    pub(crate) fn keys(&self, lineage: &Lineage, all: &mut AllOf<'_>) {
        let gap = !lineage.complete || lineage.execs.is_empty();
        if gap && !self.incomplete_will_do {
            all.key("lineage", || Truth::Unknown);
        }
        match lineage.execs.split_last() {
            Some((leaf, above)) => self.keys_of(lineage, leaf, above, all),
            None if *self
                == Self {
                    incomplete_will_do: true,
                    ..Self::default()
                } => {}
            None => all.key("exe", || Truth::Unknown),
        }
    }

    fn keys_of(&self, lineage: &Lineage, leaf: &Exec, above: &[Arc<Exec>], all: &mut AllOf<'_>) {
        // Where nothing was found, it may have been in the gap.
        let none = if lineage.complete {
            Truth::False
        } else {
            Truth::Unknown
        };
        self.image.keys(leaf, all);
        if self.container {
            all.key("container.image", || Truth::Unknown);
        }
        if let Some(step) = &self.step {
            // The first link below a gap may not be the step.
            let truth = || match lineage.step() {
                Some(exec) if lineage.complete => step_truth(step, exec),
                Some(_) | None => none,
            };
            all.key_because("step", truth, || step_why(step, lineage.step()?));
        }
        if let Some(parent) = &self.parent {
            let truth = || above.last().map_or(none, |exec| parent.truth(exec));
            all.key_because("parent", truth, || parent.why_unknown(above.last()?));
        }
        if let Some(ancestor) = &self.ancestor {
            let truth = || Truth::any(above.iter().map(|exec| ancestor.truth(exec))).or(none);
            all.key_because("ancestor", truth, || {
                let mut unknown = above.iter().filter(|e| ancestor.truth(e) == Truth::Unknown);
                unknown.find_map(|exec| ancestor.why_unknown(exec))
            });
        }
        if !self.via.is_empty() {
            all.key("via", || via(&self.via, above).or(none));
        }
    }
}

fn step_truth(step: &Step, exec: &Exec) -> Truth {
    match step {
        Step::Exe(globs) => exe(globs, exec),
        Step::Image(image) => image.truth(exec),
    }
}

fn step_why(step: &Step, exec: &Exec) -> Option<String> {
    match step {
        Step::Exe(_) => None,
        Step::Image(image) => image.why_unknown(exec),
    }
}

fn exe_sha256(wanted: &[String], exec: &Exec) -> Truth {
    match &exec.exe_sha256 {
        Some(known) => wanted.contains(known).into(),
        None => Truth::Unknown,
    }
}

fn any(globs: &[Glob], text: &str) -> bool {
    globs.iter().any(|glob| glob.matches(text))
}

/// A path is as it was executed. One that goes up (`/usr/bin/../../tmp/tool`) may end anywhere,
/// also where a symbolic link leads, so which program it names cannot be told.
fn exe(globs: &[Glob], exec: &Exec) -> Truth {
    if exec.exe.split('/').any(|component| component == "..") {
        return Truth::Unknown;
    }
    path(globs, &exec.exe)
}

/// A path that does not begin at the root of the host (`.../usr/bin/psql`) names what its maker
/// put there, in a user namespace, or lacks its beginning.
fn path(globs: &[Glob], path: &str) -> Truth {
    if path == "..." || path.starts_with(".../") {
        return Truth::Unknown;
    }
    any(globs, path).into()
}

/// Globs that arguments match in this order, others between them. Where arguments are
/// missing, what was not found may be among them.
fn argv(globs: &[Glob], exec: &Exec) -> Truth {
    let mut rest = exec.argv.iter();
    let found = globs
        .iter()
        .all(|glob| rest.any(|argument| glob.matches(argument)));
    match (found, exec.argv_state.is_whole()) {
        (true, _) => Truth::True,
        (false, true) => Truth::False,
        (false, false) => Truth::Unknown,
    }
}

/// Programs above the process that match in this order, from the root, others between them.
/// Where one cannot be told, it may be the one that was not found.
fn via(globs: &[Glob], above: &[Arc<Exec>]) -> Truth {
    let mut rest = above.iter();
    let found = globs.iter().all(|glob| {
        let glob = std::slice::from_ref(glob);
        rest.any(|exec| exe(glob, exec) == Truth::True)
    });
    let told = |exec: &Arc<Exec>| exe(&[], exec) == Truth::False;
    match (found, above.iter().all(told)) {
        (true, _) => Truth::True,
        (false, true) => Truth::False,
        (false, false) => Truth::Unknown,
    }
}

fn user(users: &[User], uid: u32) -> Truth {
    Truth::any(users.iter().map(|user| match user {
        User::Uid(wanted) => (*wanted == uid).into(),
        User::Unresolved(_) => Truth::Unknown,
    }))
}

#[cfg(test)]
#[path = "who_tests.rs"]
mod tests;
