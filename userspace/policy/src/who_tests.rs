use super::*;
use crate::glob::Parts;
use crate::testing::{exec, gap, lineage};
use crate::truth::Truth::{False, True, Unknown};
use sluice_flow::ArgvState;

fn globs(texts: &[&str]) -> Vec<Glob> {
    texts
        .iter()
        .map(|t| Glob::new(t, Parts::Path).unwrap())
        .collect()
}

fn image(exe: &str) -> Image {
    Image {
        exe: globs(&[exe]),
        ..Image::default()
    }
}

const CHAIN: &[&str] = &[
    "/bin/bash",
    "/ci/deploy.sh",
    "/ci/migrate.sh",
    "/usr/bin/psql",
];

#[test]
fn nobody_named_is_everybody_with_a_complete_lineage() {
    let who = Who::default();
    assert_eq!(who.truth(&lineage(CHAIN)), True);
    assert_eq!(who.truth(&gap(CHAIN)), Unknown);
    assert_eq!(who.truth(&Lineage::default()), Unknown);
    let any = Who {
        incomplete_will_do: true,
        ..Who::default()
    };
    assert_eq!(any.truth(&gap(CHAIN)), True);
    assert_eq!(any.truth(&Lineage::default()), True);
}

#[test]
fn exe_is_the_program_that_connects() {
    for (glob, want) in [
        ("**/psql", True),
        ("/bin/bash", False),
        ("/usr/*/psql", True),
    ] {
        let who = Who {
            image: image(glob),
            ..Who::default()
        };
        assert_eq!(who.truth(&lineage(CHAIN)), want, "{glob}");
    }
}

#[test]
fn a_path_that_goes_up_cannot_be_told() {
    let odd = ["/bin/bash", "/usr/bin/../../tmp/tool"];
    for glob in ["/usr/bin/**", "/tmp/tool", "**/tool", "/opt/*"] {
        let who = Who {
            image: image(glob),
            ..Who::default()
        };
        assert_eq!(who.truth(&lineage(&odd)), Unknown, "{glob}");
        // Dots that are part of a name go nowhere.
        assert_ne!(
            who.truth(&lineage(&["/usr/bin/..tool.."])),
            Unknown,
            "{glob}"
        );
    }
    let chain = ["/ci/deploy.sh", "/ci/../tmp/x", "/bin/sh", "/usr/bin/psql"];
    for (via, want) in [
        (&["/ci/*"][..], True),
        (&["/ci/deploy.sh", "/bin/sh"], True),
        (&["/ci/deploy.sh", "/tmp/x"], Unknown),
        (&["/opt/*"], Unknown),
    ] {
        let who = Who {
            via: globs(via),
            ..Who::default()
        };
        assert_eq!(who.truth(&lineage(&chain)), want, "{via:?}");
    }
}

#[test]
fn a_path_that_is_not_of_the_host_cannot_be_told() {
    let odd = ["/bin/bash", ".../usr/bin/psql"];
    for glob in ["/usr/bin/psql", "**/psql", "**", "/opt/*"] {
        let who = Who {
            image: image(glob),
            ..Who::default()
        };
        assert_eq!(who.truth(&lineage(&odd)), Unknown, "{glob}");
    }
    assert_eq!(path(&globs(&["**"]), ".../work"), Unknown);
    assert_eq!(path(&globs(&["**"]), "/...work"), True);
}

#[test]
fn an_incomplete_lineage_is_unknown_unless_any_will_do() {
    let who = Who {
        image: image("**/psql"),
        ..Who::default()
    };
    assert_eq!(who.truth(&gap(CHAIN)), Unknown);
    let no = Who {
        image: image("**/curl"),
        ..Who::default()
    };
    assert_eq!(no.truth(&gap(CHAIN)), False);
    let any = Who {
        incomplete_will_do: true,
        ..who
    };
    assert_eq!(any.truth(&gap(CHAIN)), True);
    assert_eq!(any.truth(&Lineage::default()), Unknown);
}

#[test]
fn parent_is_the_program_right_above() {
    for (glob, want) in [
        ("**/migrate.sh", True),
        ("**/deploy.sh", False),
        ("**/psql", False),
    ] {
        let who = Who {
            parent: Some(image(glob)),
            ..Who::default()
        };
        assert_eq!(who.truth(&lineage(CHAIN)), want, "{glob}");
    }
    let who = Who {
        parent: Some(image("**")),
        ..Who::default()
    };
    assert_eq!(who.truth(&lineage(&["/usr/bin/psql"])), False);
}

#[test]
fn ancestor_is_any_program_above() {
    for (glob, want) in [
        ("**/migrate.sh", True),
        ("**/deploy.sh", True),
        ("**/psql", False),
        ("**/npm", False),
    ] {
        let who = Who {
            ancestor: Some(image(glob)),
            ..Who::default()
        };
        assert_eq!(who.truth(&lineage(CHAIN)), want, "{glob}");
    }
}

#[test]
fn what_is_not_found_above_a_gap_is_unknown() {
    let any = |who| Who {
        incomplete_will_do: true,
        ..who
    };
    let ancestor = any(Who {
        ancestor: Some(image("**/npm")),
        ..Who::default()
    });
    assert_eq!(ancestor.truth(&gap(CHAIN)), Unknown);
    let via = any(Who {
        via: globs(&["**/npm"]),
        ..Who::default()
    });
    assert_eq!(via.truth(&gap(CHAIN)), Unknown);
    let step = any(Who {
        step: Some(Step::Exe(globs(&["**/npm"]))),
        ..Who::default()
    });
    assert_eq!(step.truth(&gap(CHAIN)), Unknown);
    let found = any(Who {
        ancestor: Some(image("**/deploy.sh")),
        ..Who::default()
    });
    assert_eq!(found.truth(&gap(CHAIN)), True);
}

#[test]
fn via_has_an_order() {
    for (via, want) in [
        (&["**/deploy.sh", "**/migrate.sh"][..], True),
        (&["**/bash", "**/migrate.sh"], True),
        (&["**/migrate.sh", "**/deploy.sh"], False),
        (&["**/deploy.sh", "**/deploy.sh"], False),
        (&["**/deploy.sh", "**/psql"], False),
        (&["**", "**", "**"], True),
        (&["**", "**", "**", "**"], False),
    ] {
        let who = Who {
            via: globs(via),
            ..Who::default()
        };
        assert_eq!(who.truth(&lineage(CHAIN)), want, "{via:?}");
    }
}

#[test]
fn the_step_is_the_direct_child_of_the_root() {
    for (glob, want) in [
        ("**/deploy.sh", True),
        ("**/bash", False),
        ("**/psql", False),
    ] {
        let who = Who {
            step: Some(Step::Exe(globs(&[glob]))),
            ..Who::default()
        };
        assert_eq!(who.truth(&lineage(CHAIN)), want, "{glob}");
        let who = Who {
            step: Some(Step::Image(image(glob))),
            ..Who::default()
        };
        assert_eq!(who.truth(&lineage(CHAIN)), want, "{glob}");
    }
    let who = Who {
        step: Some(Step::Exe(globs(&["**"]))),
        ..Who::default()
    };
    assert_eq!(
        who.truth(&lineage(&["/bin/bash"])),
        False,
        "the root is no step"
    );
}

#[test]
fn argv_has_an_order_and_may_have_others_between() {
    let of = |state, wanted: &[&str]| {
        let exec = sluice_flow::Exec {
            argv_state: state,
            ..exec(1, "/usr/bin/npm", &["npm", "ci", "--prefix", "/w/app"])
        };
        argv(&globs(wanted), &exec)
    };
    for (wanted, want) in [
        (&["ci"][..], True),
        (&["npm", "ci"], True),
        (&["npm", "--prefix"], True),
        (&["ci", "npm"], False),
        (&["install"], False),
        (&["--*"], True),
        (&["/w/*"], True),
        (&["ci", "ci"], False),
    ] {
        assert_eq!(of(ArgvState::Whole, wanted), want, "{wanted:?}");
    }
    for state in [ArgvState::Truncated, ArgvState::Faulted] {
        assert_eq!(of(state, &["ci"]), True);
        assert_eq!(of(state, &["install"]), Unknown, "it may be behind the end");
    }
}

#[test]
fn users() {
    let unresolved = || User::Unresolved("ci".to_owned());
    for (users, want) in [
        (vec![User::Uid(1000)], True),
        (vec![User::Uid(0)], False),
        (vec![unresolved()], Unknown),
        (vec![unresolved(), User::Uid(1000)], True),
        (vec![unresolved(), User::Uid(0)], Unknown),
    ] {
        assert_eq!(user(&users, 1000), want, "{users:?}");
    }
}

#[test]
fn what_this_version_does_not_know_is_unknown() {
    let container = Who {
        container: true,
        ..Who::default()
    };
    assert_eq!(container.truth(&lineage(CHAIN)), Unknown);
}

const ONE: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const TWO: &str = "2222222222222222222222222222222222222222222222222222222222222222";

fn by_digest(wanted: &[&str]) -> Image {
    Image {
        exe_sha256: wanted.iter().map(|w| (*w).to_owned()).collect(),
        ..Image::default()
    }
}

/// [`CHAIN`] with digests of the programs' files.
fn hashed(digests: [Option<&str>; 4]) -> Lineage {
    let mut chain = lineage(CHAIN);
    for (exec, digest) in chain.execs.iter_mut().zip(digests) {
        *exec = Arc::new(Exec {
            exe_sha256: digest.map(str::to_owned),
            ..Exec::clone(exec)
        });
    }
    chain
}

#[test]
fn a_digest_is_of_the_programs_file() {
    for (wanted, of_leaf, want) in [
        (&[ONE][..], Some(ONE), True),
        (&[TWO, ONE], Some(ONE), True),
        (&[TWO], Some(ONE), False),
        (&[ONE], None, Unknown),
    ] {
        let who = Who {
            image: by_digest(wanted),
            ..Who::default()
        };
        let chain = hashed([None, None, None, of_leaf]);
        assert_eq!(who.truth(&chain), want, "{wanted:?} of {of_leaf:?}");
        let other = Who {
            image: Image {
                exe: globs(&["**/curl"]),
                ..who.image
            },
            ..Who::default()
        };
        assert_eq!(other.truth(&chain), False, "all keys must match");
    }
}

#[test]
fn a_digest_of_a_program_above() {
    let parent = |wanted| Who {
        parent: Some(by_digest(&[wanted])),
        ..Who::default()
    };
    let step = |wanted| Who {
        step: Some(Step::Image(by_digest(&[wanted]))),
        ..Who::default()
    };
    let ancestor = |wanted| Who {
        ancestor: Some(by_digest(&[wanted])),
        ..Who::default()
    };
    let chain = hashed([Some(TWO), Some(ONE), Some(TWO), None]);
    let dark = hashed([Some(TWO), None, None, Some(ONE)]);
    for (who, want, in_the_dark) in [
        (parent(TWO), True, Unknown),
        (parent(ONE), False, Unknown),
        (step(ONE), True, Unknown),
        (step(TWO), False, Unknown),
        (ancestor(ONE), True, Unknown),
        (ancestor(TWO), True, True),
    ] {
        assert!(who.asks_exe_sha256());
        assert_eq!(who.truth(&chain), want, "{who:?}");
        assert_eq!(who.truth(&dark), in_the_dark, "{who:?}");
    }
    assert!(!Who::default().asks_exe_sha256());
}

#[test]
fn cwd() {
    for (glob, want) in [("/work", True), ("/elsewhere/**", False), ("/w*", True)] {
        let who = Who {
            image: Image {
                cwd: globs(&[glob]),
                ..Image::default()
            },
            ..Who::default()
        };
        assert_eq!(who.truth(&lineage(CHAIN)), want, "{glob}");
    }
}
