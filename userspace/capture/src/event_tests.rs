use super::*;

/// The bytes of an event as the kernel side writes them.
fn bytes<T: Integers>(value: &T) -> Vec<u8> {
    let from = std::ptr::from_ref(value).cast::<u8>();
    // SAFETY: integers without padding are bytes.
    unsafe { std::slice::from_raw_parts(from, size_of::<T>()) }.to_vec()
}

fn head(kind: u32) -> EventHead {
    let process = ProcessKey {
        started: 99,
        tgid: 42,
        pad: 0,
    };
    let member = Member {
        process,
        job: 7,
        ordinal: 3,
        flags: 0,
    };
    EventHead {
        kind,
        tid: 43,
        at: 1_000,
        member,
    }
}

fn who() -> Actor {
    Actor {
        process: ProcessId {
            tgid: 42,
            started: 99,
        },
        ordinal: 3,
        job: JobTag(7),
    }
}

fn exec(filename: &[u8], arguments: &[u8], cwd: &[u8], flags: u32) -> Vec<u8> {
    let event = ExecEvent {
        head: head(EXEC),
        cgroup: 5,
        uid: 1_000,
        flags,
        filename_len: filename.len() as u32,
        argv_len: arguments.len() as u32,
        cwd_len: cwd.len() as u32,
        ..ExecEvent::default()
    };
    let mut all = bytes(&event);
    for part in [filename, arguments, cwd] {
        all.extend_from_slice(part);
    }
    all
}

fn image(event: &[u8]) -> Started {
    match decode(event) {
        Some(KernelEvent::Started(started)) => *started,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_exec_is_decoded_whole() {
    let event = exec(b"./run\0", b"./run\0a b\0\0", b"work\0ci\0home\0", 0);
    let started = image(&event);
    assert_eq!(started.actor, who());
    assert_eq!(started.exe, "/home/ci/work/run");
    assert_eq!(started.argv, ["./run", "a b", ""]);
    assert_eq!(started.cwd, "/home/ci/work");
    assert_eq!((started.uid, started.cgroup, started.at), (1_000, 5, 1_000));
    assert_eq!(started.argv_state, ArgvState::Whole);
    assert!(!started.root && !started.found);
}

#[test]
fn the_file_of_an_image_is_told() {
    let told = sluice_abi::ImageFile {
        inode: 4_711,
        changed: 1_700_000_000,
        changed_nanos: 5,
        device: 0x0080_0001,
        file_system: 0xef53,
        granularity: 1,
        user_ns_level: 0,
        pad: 0,
    };
    let want = ImageFile {
        device: (8, 1),
        inode: 4_711,
        changed: (1_700_000_000, 5),
        executed: 1_000,
        granularity: 1,
        file_system: 0xef53,
        of_user_namespace: false,
    };
    for (told, want) in [
        (told, Some(want)),
        (
            sluice_abi::ImageFile {
                device: 0xffff_ffff,
                changed_nanos: CHANGED_QUERIED | 5,
                user_ns_level: 1,
                ..told
            },
            Some(ImageFile {
                device: (0xfff, 0xf_ffff),
                of_user_namespace: true,
                ..want
            }),
        ),
        (sluice_abi::ImageFile { inode: 0, ..told }, None),
    ] {
        let event = ExecEvent {
            head: head(EXEC),
            image: told,
            ..ExecEvent::default()
        };
        assert_eq!(image(&bytes(&event)).image, want, "{told:?}");
    }
}

#[test]
fn cut_anywhere_an_event_is_nothing() {
    let fork = bytes(&ForkEvent {
        head: head(FORK),
        child: ProcessKey::default(),
    });
    let exit = bytes(&ExitEvent {
        head: head(EXIT),
        status: 0,
        pad: 0,
    });
    let refused = bytes(&RefusedEvent {
        head: head(REFUSED),
        ..RefusedEvent::default()
    });
    for whole in [fork, exit, refused, exec(b"/x\0", b"/x\0", b"a\0", 0)] {
        assert!(decode(&whole).is_some());
        for end in 0..whole.len() {
            assert_eq!(decode(&whole[..end]), None, "cut at {end}");
        }
    }
}

#[test]
fn lengths_that_lie_are_nothing() {
    let mut event = exec(b"/x\0", b"/x\0", b"a\0", 0);
    let at = size_of::<EventHead>() + 24;
    for length in 0..3 {
        let place = at + 4 * length;
        event[place..place + 4].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert_eq!(decode(&event), None);
    }
}

#[test]
fn an_unknown_kind_is_nothing() {
    assert_eq!(decode(&bytes(&head(0))), None);
    assert_eq!(decode(&bytes(&head(6))), None);
    assert_eq!(decode(&[]), None);
}

#[test]
fn flags_become_words() {
    for (flags, state) in [
        (0, ArgvState::Whole),
        (argv::TRUNCATED, ArgvState::Truncated),
        (argv::FAULTED, ArgvState::Faulted),
        (argv::FAULTED | argv::TRUNCATED, ArgvState::Faulted),
    ] {
        assert_eq!(image(&exec(b"/x\0", b"", b"", flags)).argv_state, state);
    }
    let cut = image(&exec(b"x\0", b"", b"d\0", argv::CWD_TRUNCATED));
    assert_eq!((cut.cwd.as_str(), cut.exe.as_str()), (".../d", ".../d/x"));
}

#[test]
fn the_root_of_a_job_is_its_first_image_only() {
    for (ordinal, flags, root, found) in [
        (1, tag::ROOT, true, false),
        (2, tag::ROOT, false, false),
        (1, tag::ADOPTED | tag::INCOMPLETE, false, true),
        (1, tag::ADOPTED | tag::ROOT, true, false),
        (2, tag::ADOPTED | tag::INCOMPLETE, false, false),
        (1, 0, false, false),
    ] {
        let mut head = head(EXEC);
        head.member.ordinal = ordinal;
        head.member.flags = flags;
        let started = image(&bytes(&ExecEvent {
            head,
            ..ExecEvent::default()
        }));
        assert_eq!(
            (started.root, started.found),
            (root, found),
            "{ordinal} {flags}"
        );
    }
}

#[test]
fn arguments_keep_empty_ones_and_a_cut_last_one() {
    for (raw, want) in [
        (&b""[..], &[][..]),
        (b"a\0", &["a"]),
        (b"a\0\0", &["a", ""]),
        (b"a\0b", &["a", "b"]),
        (b"\xff\0", &["\u{fffd}"]),
    ] {
        assert_eq!(arguments_of(raw), want, "{raw:?}");
    }
}

#[test]
fn addresses_are_canonical() {
    let mapped = u32::from_ne_bytes([0, 0, 0xff, 0xff]);
    let v4 = u32::from_ne_bytes([192, 0, 2, 1]);
    assert_eq!(
        address([0, 0, mapped, v4], 80),
        "192.0.2.1:80".parse().unwrap()
    );
    let one = u32::from_ne_bytes([0, 0, 0, 1]);
    assert_eq!(address([0, 0, 0, one], 80), "[::1]:80".parse().unwrap());
}

#[test]
fn refusals_are_told_in_words() {
    let event = RefusedEvent {
        head: head(REFUSED),
        port: 443,
        family: 10,
        socket_type: 2,
        protocol: 17,
        hook: hook::SENDMSG,
        reason: reason::UDP,
        ..RefusedEvent::default()
    };
    let Some(KernelEvent::Refused {
        actor,
        incomplete,
        refusal,
        at,
    }) = decode(&bytes(&event))
    else {
        panic!("a refusal");
    };
    assert_eq!((actor, at, incomplete), (who(), 1_000, false));
    assert_eq!(
        (refusal.hook.as_str(), refusal.reason.as_str()),
        ("sendmsg6", "udp")
    );
    assert_eq!(refusal.socket, "inet6/dgram/udp");
    assert_eq!(refusal.destination, Some("[::]:443".parse().unwrap()));
    let odd = RefusedEvent {
        head: head(REFUSED),
        hook: 99,
        reason: 99,
        ..event
    };
    assert!(
        matches!(decode(&bytes(&odd)), Some(KernelEvent::Refused { refusal, .. })
        if refusal.hook == "unknown" && refusal.reason == "unknown")
    );
}

#[test]
fn every_byte_of_an_exec_changed_it_does_not_panic() {
    let event = exec(b"/x\0", b"/x\0", b"a\0", 0);
    for at in 0..event.len() {
        for value in [0, 0x7f, 0xff] {
            let mut hostile = event.clone();
            hostile[at] = value;
            let _ = decode(&hostile);
        }
    }
}

#[test]
fn a_path_is_absolute_and_what_means_nothing_in_it_is_gone() {
    for (filename, cwd, want) in [
        ("/usr/bin/psql", "/ci", "/usr/bin/psql"),
        ("/usr//bin/./psql", "/ci", "/usr/bin/psql"),
        ("./deploy.sh", "/ci", "/ci/deploy.sh"),
        ("deploy.sh", "/", "/deploy.sh"),
        ("a/.//b/./c", "/ci", "/ci/a/b/c"),
        // Where it leads, a symbolic link may decide.
        ("../tool", "/ci/job", "/ci/job/../tool"),
        ("/usr/bin/../../tmp/tool", "/ci", "/usr/bin/../../tmp/tool"),
        ("...", "/ci", "/ci/..."),
        // The beginning of the directory was not known.
        ("tool", ".../x", ".../x/tool"),
        ("", "/ci", ""),
    ] {
        assert_eq!(absolute(filename, cwd), want, "{filename} in {cwd}");
    }
}

#[test]
fn a_path_of_another_root_says_so() {
    let flags = argv::OTHER_ROOT;
    let psql = image(&exec(b"/usr/bin/psql\0", b"psql\0", b"work\0", flags));
    assert_eq!(
        (psql.exe.as_str(), psql.cwd.as_str()),
        (".../usr/bin/psql", ".../work")
    );
    let relative = image(&exec(b"./psql\0", b"psql\0", b"work\0", flags));
    assert_eq!(relative.exe, ".../work/psql");
    let here = image(&exec(b"psql\0", b"psql\0", b"", flags));
    assert_eq!((here.exe.as_str(), here.cwd.as_str()), (".../psql", "..."));
}
