//! Who may ask for what.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sluice_flow::SessionId;

use super::ports::{Fake, Served, held, ports, uuid};
use crate::caller::{Caller, IsMember};
use crate::peer::Peer;
use crate::{ApiError, ApiOptions, ClientError, Server, socket_path};

#[tokio::test]
async fn a_process_of_a_job_gets_nothing_at_all() {
    let served = Served::new(Fake {
        held: vec![held(5, "dba")],
        ..Fake::default()
    });
    let client = served.client().await;
    served.member.store(true, Ordering::SeqCst);
    let answers = [
        client.status().await.err(),
        client.approvals().await.err(),
        client.answer(uuid(5), true, None).await.err(),
        client.events(SessionId(uuid(1))).await.err(),
        client.tail(0, 1, Duration::ZERO).await.err(),
        client.reload().await.err(),
        client.explain(SessionId(uuid(1))).await.err(),
    ];
    for error in answers {
        let error = error.expect("must be refused");
        assert!(
            matches!(&error, ClientError::Refused { status: 403, problem }
                if problem.error.contains("process of a job")),
            "{error:?}"
        );
    }
    assert!(served.fake.calls().is_empty(), "nothing reached a port");
}

#[tokio::test]
async fn membership_is_asked_for_at_every_request() {
    let served = Served::new(Fake::default());
    let client = served.client().await;
    assert!(client.approvals().await.is_ok());
    served.member.store(true, Ordering::SeqCst);
    assert!(client.approvals().await.is_err());
    served.member.store(false, Ordering::SeqCst);
    assert!(client.approvals().await.is_ok());
}

fn nobody_is_a_member() -> IsMember {
    Arc::new(|_| false)
}

/// A connection of this process, as if by another user.
fn peer_of(uid: u32) -> Peer {
    let (here, there) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut peer = Peer::of(&here).unwrap();
    drop(there);
    peer.uid = uid;
    peer
}

#[test]
fn root_may_everything_and_others_by_group() {
    let games = nix::unistd::User::from_name("games").unwrap().unwrap();
    let uid = games.uid.as_raw();
    for (uid, admins, administers) in [
        (0, None, true),
        (0, Some("nogroup"), true),
        (uid, None, false),
        (uid, Some("games"), true),
        (uid, Some("nogroup"), false),
        (4_000_000_001, Some("games"), false),
    ] {
        let caller = Caller::admit(&peer_of(uid), &nobody_is_a_member(), admins).unwrap();
        let may = caller.administers();
        assert_eq!(may.is_ok(), administers, "{uid} {admins:?}");
        let groups = &caller.person.groups;
        let sees = [held(1, "games"), held(2, "dba")].map(|held| caller.may_see(&held, groups));
        let want = match (administers, uid == games.uid.as_raw()) {
            (true, _) => [true, true],
            (false, true) => [true, false],
            (false, false) => [false, false],
        };
        assert_eq!(sees, want, "{uid} {admins:?}");
    }
}

#[test]
fn who_is_refused_learns_which_group_may() {
    let caller = |admins| Caller::admit(&peer_of(4_000_000_001), &nobody_is_a_member(), admins);
    let hint = |admins| {
        caller(admins)
            .unwrap()
            .administers()
            .unwrap_err()
            .hint
            .unwrap()
    };
    assert_eq!(hint(None), "use sudo");
    assert!(hint(Some("sluice")).contains("the group sluice"));
}

#[test]
fn a_peer_that_cannot_be_seen_is_refused() {
    let mut peer = peer_of(0);
    peer.pid = 0;
    let refused = Caller::admit(&peer, &nobody_is_a_member(), None);
    assert!(refused.unwrap_err().error.contains("cannot be seen"));
}

#[test]
fn an_admin_group_that_does_not_exist_is_an_error() {
    let state = tempfile::tempdir().unwrap();
    let options = ApiOptions {
        socket: socket_path(state.path()),
        admin_group: Some("no-such-group-here".to_owned()),
    };
    let fake = Arc::new(Fake::default());
    let bound = Server::bind(options, ports(&fake, &Arc::new(AtomicBool::new(false))));
    assert!(matches!(bound.err(), Some(ApiError::NoSuchGroup(_))));
}
