use sluice_flow::{Cause, Refusal};
use tokio::sync::oneshot;

use super::wire::{
    Say, Setting, bind, complete, execute, message, parse, query, ready, request, session, sync,
    with,
};
use crate::postgres::{Cancels, ServeError};

type Answer = oneshot::Sender<Result<(), Refusal>>;

fn held() -> (Answer, Setting) {
    let (answer, receiver) = oneshot::channel();
    let setting = Setting {
        says: vec![Say::Hold(receiver)],
        ..Setting::default()
    };
    (answer, setting)
}

/// A notice that says who is asked.
async fn noticed(client: &mut super::wire::End) {
    let (kind, body) = client.message().await;
    let told = String::from_utf8_lossy(&body).into_owned();
    assert_eq!(kind, b'N');
    assert!(
        told.contains("SNOTICE\0VNOTICE\0C00000\0Mheld: ask in #dba"),
        "{told}"
    );
}

#[tokio::test]
async fn a_held_statement_waits_and_so_does_what_is_behind_it() {
    let (answer, setting) = held();
    let (served, log) = session(setting, |mut client, mut server| async move {
        let both = [query("drop table t"), query("select 2")].concat();
        client.send(&both).await;
        noticed(&mut client).await;
        answer.send(Ok(())).unwrap();
        server.expect(&both).await;
        server
            .send(&[complete("DROP TABLE"), ready('I')].concat())
            .await;
        client
            .expect(&[complete("DROP TABLE"), ready('I')].concat())
            .await;
    })
    .await;
    served.unwrap();
    assert_eq!(log.borrow().texts(), ["drop table t", "select 2"]);
}

#[tokio::test]
async fn while_a_statement_is_held_nothing_of_it_is_sent_and_answers_flow() {
    let (answer, setting) = held();
    session(setting, |mut client, mut server| async move {
        client.send(&query("drop table t")).await;
        noticed(&mut client).await;
        let news = message(b'A', b"\0\0\0\x01news\0hello\0");
        server.send(&news).await;
        client.expect(&news).await;
        drop(answer);
        assert_eq!(client.kinds_to('Z').await, "EZ");
        drop(client);
        assert!(server.rest().await.is_empty());
    })
    .await
    .0
    .unwrap();
}

#[tokio::test]
async fn a_denied_hold_is_a_refusal_like_any_other() {
    let (answer, setting) = held();
    session(setting, |mut client, mut server| async move {
        client
            .send(&[query("drop table t"), query("select 2")].concat())
            .await;
        noticed(&mut client).await;
        answer
            .send(Err(Refusal::of(Cause::NotApproved, "bob said no")))
            .unwrap();
        let (kind, body) = client.message().await;
        assert_eq!(kind, b'E');
        assert!(String::from_utf8_lossy(&body).contains("bob said no"));
        client.expect(&ready('I')).await;
        server.expect(&query("select 2")).await;
    })
    .await
    .0
    .unwrap();
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_hold() {
    let (mut answer, setting) = held();
    let (served, log) = session(setting, |mut client, mut server| async move {
        client.send(&query("drop table t")).await;
        noticed(&mut client).await;
        drop(client);
        // Dropping the hold withdraws the request.
        answer.closed().await;
        assert!(server.rest().await.is_empty());
    })
    .await;
    assert!(matches!(served, Err(ServeError::Withdrawn)));
    assert_eq!(log.borrow().refusals, [Cause::Withdrawn]);
}

#[tokio::test]
async fn a_server_that_goes_away_ends_the_hold() {
    let (mut answer, setting) = held();
    let (served, _) = session(setting, |mut client, server| async move {
        client.send(&query("drop table t")).await;
        noticed(&mut client).await;
        drop(server);
        assert!(client.rest().await.is_empty());
        answer.closed().await;
    })
    .await;
    served.unwrap();
}

#[tokio::test]
async fn people_who_agree_to_a_parse_agree_to_its_first_execution() {
    let (answer, setting) = held();
    let (served, log) = session(setting, |mut client, mut server| async move {
        client
            .send(&[parse("s", "drop table t"), sync()].concat())
            .await;
        noticed(&mut client).await;
        answer.send(Ok(())).unwrap();
        server
            .expect(&[parse("s", "drop table t"), sync()].concat())
            .await;
        server
            .send(&[message(b'1', b""), ready('I')].concat())
            .await;
        client
            .expect(&[message(b'1', b""), ready('I')].concat())
            .await;
        let run = [bind("", "s"), execute(""), sync()].concat();
        let ran = [message(b'2', b""), complete("DROP TABLE"), ready('I')].concat();
        for _ in 0..2 {
            client.send(&run).await;
            server.expect(&run).await;
            server.send(&ran).await;
            client.expect(&ran).await;
        }
    })
    .await;
    served.unwrap();
    // The second execution was judged by itself.
    assert_eq!(log.borrow().operations.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_waits_behind_a_held_statement_has_a_limit() {
    use crate::postgres::limits::HELD_BYTES;
    let pipe = 1 << 16;
    let (answer, setting) = held();
    let (served, _) = session(
        Setting { pipe, ..setting },
        |mut client, mut server| async move {
            client.send(&query("drop table t")).await;
            noticed(&mut client).await;
            // As much as the relay and the pipe hold goes in; one byte more does not.
            let behind = vec![b'x'; HELD_BYTES + pipe];
            let sent = std::cell::Cell::new(0);
            let write = async {
                for chunk in behind.chunks(1024) {
                    client.send(chunk).await;
                    sent.set(sent.get() + chunk.len());
                }
                client.send(b"x").await;
            };
            let never = tokio::time::timeout(std::time::Duration::from_millis(100), write).await;
            assert!(never.is_err());
            assert!(sent.get() >= HELD_BYTES, "{}", sent.get());
            drop(answer);
            drop(client);
            assert!(server.rest().await.is_empty());
        },
    )
    .await;
    assert!(served.is_err());
}

#[tokio::test]
async fn a_cancel_request_withdraws_a_held_statement() {
    let cancels = Cancels::default();
    let (mut answer, setting) = held();
    let setting = Setting {
        cancels: cancels.clone(),
        ..setting
    };
    let (served, log) = session(setting, |mut client, mut server| async move {
        client.send(&query("drop table t")).await;
        noticed(&mut client).await;
        let (cancelled, _) = with(
            Setting {
                cancels,
                ..Setting::default()
            },
            |mut other, mut server| async move {
                let packet = request(80_877_102, &[0, 0, 0, 7, 1, 2, 3, 4]);
                other.send(&packet).await;
                server.expect(&packet).await;
            },
        )
        .await;
        cancelled.unwrap();
        let (kind, body) = client.message().await;
        assert_eq!(kind, b'E');
        assert!(String::from_utf8_lossy(&body).contains("C57014\0"));
        client.expect(&ready('I')).await;
        answer.closed().await;
        client.send(&query("select 1")).await;
        server.expect(&query("select 1")).await;
    })
    .await;
    served.unwrap();
    assert_eq!(log.borrow().refusals, [Cause::Withdrawn]);
}
