use sluice_flow::Cause;

use super::wire::{Setting, query, request, session, with};
use crate::postgres::limits::MAX_CANCEL_KEYS;
use crate::postgres::startup::CancelKey;
use crate::postgres::{Cancels, ServeError};

const CANCEL: u32 = 80_877_102;
const KEY: [u8; 8] = [0, 0, 0, 7, 1, 2, 3, 4];

fn setting(cancels: &Cancels) -> Setting {
    Setting {
        cancels: cancels.clone(),
        ..Setting::default()
    }
}

#[tokio::test]
async fn a_session_can_be_cancelled_while_it_is_open_and_no_longer() {
    let cancels = Cancels::default();
    let copy = cancels.clone();
    let (served, _) = session(setting(&cancels), |mut client, mut server| async move {
        client.send(&query("select pg_sleep(9)")).await;
        server.expect(&query("select pg_sleep(9)")).await;
        let (cancelled, log) = with(setting(&copy), |mut other, mut server| async move {
            other.send(&request(CANCEL, &KEY)).await;
            server.expect(&request(CANCEL, &KEY)).await;
            drop(server);
            assert!(other.rest().await.is_empty());
        })
        .await;
        cancelled.unwrap();
        assert!(log.borrow().refusals.is_empty());
    })
    .await;
    served.unwrap();
    unknown(&cancels, &KEY).await;
}

/// A request to cancel that is refused and recorded, and of which the server sees nothing.
async fn unknown(cancels: &Cancels, key: &[u8]) {
    let packet = request(CANCEL, key);
    let (served, log) = with(setting(cancels), |mut client, mut server| async move {
        client.send(&packet).await;
        let _ = client.rest().await;
        drop(client);
        assert!(server.rest().await.is_empty());
    })
    .await;
    assert!(matches!(served, Err(ServeError::Client(_))));
    assert_eq!(log.borrow().refusals, [Cause::ClientBroken]);
}

#[tokio::test]
async fn a_key_that_no_server_gave_out_is_refused() {
    let cancels = Cancels::default();
    unknown(&cancels, &KEY).await;
    let _kept = cancels.register(CancelKey::read(b'K', &KEY).unwrap());
    unknown(&cancels, &[0, 0, 0, 7, 1, 2, 3, 5]).await;
    unknown(&cancels, &[0, 0, 0, 7]).await;
}

#[test]
fn the_registry_is_bounded() {
    let cancels = Cancels::default();
    let key = |n: usize| CancelKey::read(b'K', &n.to_be_bytes()).unwrap();
    let mut kept: Vec<_> = (0..MAX_CANCEL_KEYS)
        .map(|n| cancels.register(key(n)))
        .collect();
    assert!(kept.iter().all(Option::is_some));
    assert!(cancels.register(key(MAX_CANCEL_KEYS)).is_none());
    kept.pop();
    assert!(cancels.register(key(MAX_CANCEL_KEYS)).is_some());
}

#[test]
fn a_key_that_two_servers_gave_out_lives_as_long_as_the_later() {
    let cancels = Cancels::default();
    let key = || CancelKey::read(b'K', &KEY).unwrap();
    let first = cancels.register(key());
    let second = cancels.register(key());
    drop(first);
    assert!(cancels.ask(&key()));
    drop(second);
    assert!(!cancels.ask(&key()));
}
