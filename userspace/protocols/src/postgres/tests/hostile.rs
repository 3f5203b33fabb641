use sluice_flow::Cause;

use super::wire::{
    Setting, bind, complete, description, execute, message, parse, query, ready, row, session, sync,
};
use crate::postgres::limits::{REPLY_BYTES, SMALL_BYTES, STATEMENT_BYTES};

/// A session in which the server says something that it must not; the client is told.
async fn server_says(questions: Vec<u8>, answers: Vec<u8>) -> Cause {
    let (served, log) = session(Setting::default(), |mut client, mut server| async move {
        client.send(&questions).await;
        if !questions.is_empty() {
            server.expect(&questions).await;
        }
        server.send(&answers).await;
        let told = client.rest().await;
        assert!(
            String::from_utf8_lossy(&told).contains("SFATAL"),
            "{answers:?}"
        );
    })
    .await;
    assert!(served.is_err());
    log.borrow().refusals[0]
}

#[tokio::test]
async fn answers_that_nothing_asked_for_end_the_flow() {
    for answers in [
        complete("SELECT 1"),
        ready('I'),
        row(&[Some(b"x")]),
        description(&[("a", 25, false)]),
        message(b'1', b""),
        message(b'2', b""),
        message(b'3', b""),
        message(b'n', b""),
        message(b't', &[0, 0]),
        message(b'd', b"x"),
        message(b'c', b""),
        message(b'G', &[0, 0, 0]),
        message(b'H', &[0, 0, 0]),
        message(b'W', &[0, 0, 0]),
        message(b'V', &[0; 4]),
        message(b'R', &[0; 4]),
        message(b'K', &[0; 8]),
        message(b'?', b""),
    ] {
        assert_eq!(
            server_says(Vec::new(), answers).await,
            Cause::UpstreamBroken
        );
    }
}

#[tokio::test]
async fn answers_to_something_else_end_the_flow() {
    let pipeline = [parse("", "select 1"), bind("", ""), execute(""), sync()].concat();
    for (questions, answers) in [
        (query("select 1"), message(b'1', b"")),
        (query("select 1"), message(b's', b"")),
        (query("select 1"), message(b'W', &[0, 0, 0])),
        (query("select 1"), message(b'G', &[0, 0, 0])),
        (
            query("select 1"),
            [complete("SELECT 1"), ready('I'), ready('I')].concat(),
        ),
        (query("select 1"), ready('?')),
        (pipeline.clone(), message(b'2', b"")),
        (pipeline.clone(), ready('I')),
        (
            pipeline,
            [message(b'1', b""), message(b'2', b""), description(&[])].concat(),
        ),
    ] {
        assert_eq!(server_says(questions, answers).await, Cause::UpstreamBroken);
    }
}

#[tokio::test]
async fn broken_lengths_of_the_server_end_the_flow() {
    for bytes in [vec![b'D', 0, 0, 0, 3], vec![b'E', 0, 0, 0, 0]] {
        assert_eq!(
            server_says(query("select 1"), bytes).await,
            Cause::UpstreamBroken
        );
    }
    let long = u32::try_from(REPLY_BYTES + 5).unwrap().to_be_bytes();
    let bytes = [&b"T"[..], &long].concat();
    assert_eq!(
        server_says(query("select 1"), bytes).await,
        Cause::OverLimit
    );
    assert_eq!(
        server_says(query("select 1"), vec![b'D', 0xff, 0xff, 0xff, 0xff]).await,
        Cause::OverLimit
    );
}

/// A session in which the client says something that it must not.
async fn client_says(bytes: Vec<u8>) -> Cause {
    let (served, log) = session(Setting::default(), |mut client, mut server| async move {
        client.send(&bytes).await;
        let told = client.rest().await;
        assert!(
            String::from_utf8_lossy(&told).contains("SFATAL"),
            "{bytes:?}"
        );
        drop(client);
        assert!(server.rest().await.is_empty());
    })
    .await;
    assert!(served.is_err());
    log.borrow().refusals[0]
}

#[tokio::test]
async fn broken_messages_of_the_client_end_the_flow() {
    for bytes in [
        vec![b'Q', 0, 0, 0, 3],
        message(b'Q', b"select 1"),
        message(b'Q', b"select 1\0; delete from t\0"),
        message(b'Q', b""),
        message(b'P', b"\0select 1\0"),
        message(b'P', b"\0select 1\0\0\x01"),
        message(b'B', b"open"),
        message(b'E', b"\0"),
        message(b'D', b"X\0"),
        message(b'D', b"S"),
        message(b'C', b"Sx\0y"),
        message(b'p', b"secret\0"),
        message(b'F', b"\0"),
        message(b'z', b""),
        message(b'P', &[&[b'n'; 64][..], b"\0select 1\0\0\0"].concat()),
        message(b'P', b"\xff\0select 1\0\0\0"),
    ] {
        assert_eq!(client_says(bytes).await, Cause::ClientBroken);
    }
}

#[tokio::test]
async fn messages_over_their_limit_end_the_flow_before_they_are_read() {
    for (kind, limit) in [
        (b'Q', STATEMENT_BYTES),
        (b'P', STATEMENT_BYTES),
        (b'E', SMALL_BYTES),
        (b'D', SMALL_BYTES),
        (b'C', SMALL_BYTES),
        (b'S', SMALL_BYTES),
        (b'B', 0x3fff_fffe),
    ] {
        let length = u32::try_from(limit + 5).unwrap().to_be_bytes();
        let bytes = [&[kind][..], &length].concat();
        assert_eq!(
            client_says(bytes).await,
            Cause::OverLimit,
            "{}",
            char::from(kind)
        );
    }
}

#[tokio::test]
async fn a_statement_at_its_limit_is_judged_and_forwarded() {
    let text = format!("select 1{}", " ".repeat(STATEMENT_BYTES - 9));
    let (_, log) = session(Setting::default(), |mut client, mut server| async move {
        let bytes = query(&text);
        tokio::join!(client.send(&bytes), server.expect(&bytes));
    })
    .await;
    assert_eq!(log.borrow().operations.len(), 1);
}

#[tokio::test]
async fn a_row_that_is_not_masked_passes_at_any_size_without_being_held() {
    let value = vec![b'x'; 8 << 20];
    session(
        Setting {
            pipe: 1 << 14,
            ..Setting::default()
        },
        |mut client, mut server| async move {
            client.send(&query("select big")).await;
            server.expect(&query("select big")).await;
            let answer = [
                description(&[("a", 25, false)]),
                row(&[Some(&value)]),
                complete("SELECT 1"),
                ready('I'),
            ]
            .concat();
            tokio::join!(server.send(&answer), client.expect(&answer));
        },
    )
    .await
    .0
    .unwrap();
}

#[tokio::test]
async fn a_server_that_stops_in_the_middle_of_a_message_ends_the_flow() {
    let (served, _) = session(Setting::default(), |mut client, mut server| async move {
        client.send(&query("select 1")).await;
        server.expect(&query("select 1")).await;
        server.send(&row(&[Some(b"whole")])[..8]).await;
        drop(server);
        assert_eq!(client.rest().await, row(&[Some(b"whole")])[..8]);
    })
    .await;
    served.unwrap();
}
