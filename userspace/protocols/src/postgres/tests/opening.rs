use sluice_flow::Cause;

use crate::postgres::ServeError;

use super::wire::{
    Setting, complete, greeting, message, query, ready, request, session, startup, terminate, with,
};

const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

#[tokio::test]
async fn encryption_is_declined_and_the_client_goes_on_in_clear() {
    let (served, _) = with(Setting::default(), |mut client, mut server| async move {
        client.send(&request(GSS, b"")).await;
        client.expect(b"N").await;
        client.send(&request(SSL, b"")).await;
        client.expect(b"N").await;
        let hello = startup(&["user", "ann"]);
        client.send(&hello).await;
        server.expect(&hello).await;
        server.send(&greeting()).await;
        client.expect(&greeting()).await;
        client.send(&terminate()).await;
        server.expect(&terminate()).await;
        drop(server);
        assert!(client.rest().await.is_empty());
    })
    .await;
    served.unwrap();
}

/// Sends bytes that must be refused before the server sees any.
async fn refused_at_once(bytes: Vec<u8>, cause: Cause) -> String {
    let told = std::rc::Rc::new(std::cell::RefCell::new(String::new()));
    let copy = std::rc::Rc::clone(&told);
    let (served, log) = with(Setting::default(), |mut client, mut server| async move {
        client.send(&bytes).await;
        *copy.borrow_mut() = String::from_utf8_lossy(&client.rest().await).into_owned();
        drop(client);
        assert!(server.rest().await.is_empty());
    })
    .await;
    assert!(served.is_err());
    assert_eq!(log.borrow().refusals, [cause]);
    told.take()
}

#[tokio::test]
async fn cve_2021_23214_bytes_after_a_request_for_encryption_end_the_flow() {
    for code in [SSL, GSS] {
        let bytes = [request(code, b""), startup(&["user", "ann"])].concat();
        let told = refused_at_once(bytes, Cause::ClientBroken).await;
        assert!(told.contains("FATAL") && told.contains("08P01"), "{told}");
    }
}

#[tokio::test]
async fn encryption_is_not_asked_for_twice() {
    let (served, _) = with(Setting::default(), |mut client, _server| async move {
        client.send(&request(SSL, b"")).await;
        client.expect(b"N").await;
        client.send(&request(SSL, b"")).await;
        assert_eq!(client.rest().await.first(), Some(&b'E'));
    })
    .await;
    assert!(served.is_err());
}

#[tokio::test]
async fn direct_tls_is_refused() {
    let told = refused_at_once(vec![0x16, 3, 1, 2, 0], Cause::ClientBroken).await;
    assert!(told.contains("TLS"), "{told}");
}

#[tokio::test]
async fn replication_is_refused() {
    let bytes = startup(&["user", "ann", "replication", "database"]);
    let told = refused_at_once(bytes, Cause::UnknownProtocol).await;
    assert!(
        told.contains("replication") && told.contains("0A000"),
        "{told}"
    );
}

#[tokio::test]
async fn an_oversized_startup_packet_is_refused() {
    let bytes = startup(&["user", &"x".repeat(10_000)]);
    refused_at_once(bytes, Cause::ClientBroken).await;
}

#[tokio::test]
async fn what_a_startup_packet_sets_is_judged_like_set() {
    let play = |parameters: &'static [&'static str]| {
        with(
            Setting {
                says: vec![super::wire::Say::Refuse],
                ..Setting::default()
            },
            move |mut client, mut server| async move {
                client.send(&startup(parameters)).await;
                assert_eq!(client.rest().await.first(), Some(&b'E'));
                drop(client);
                assert!(server.rest().await.is_empty());
            },
        )
    };
    for (parameters, text) in [
        (&["user", "a", "role", "admin"][..], "SET role = 'admin'"),
        (
            &[
                "user",
                "a",
                "options",
                "-c session_replication_role=replica",
            ],
            "SET session_replication_role = 'replica'",
        ),
        (
            &["user", "a", "options", "-c standard_conforming_strings=off"],
            "SET standard_conforming_strings = 'off'",
        ),
        (&["user", "a", "options", "-W 5"], "(startup options) -W 5"),
    ] {
        let (served, log) = play(parameters).await;
        assert!(served.is_err());
        assert_eq!(log.borrow().texts(), [text]);
    }
}

#[tokio::test]
async fn passwords_pass_and_are_no_operation() {
    let (served, log) = with(Setting::default(), |mut client, mut server| async move {
        let hello = startup(&["user", "ann"]);
        client.send(&hello).await;
        server.expect(&hello).await;
        for (asked, secret) in [
            (
                &[0, 0, 0, 10, b'S', 0, 0][..],
                &b"SCRAM-SHA-256\0....n,,n=,r=x"[..],
            ),
            (&[0, 0, 0, 11, b'x'], b"c=biws,r=x,p=y"),
            (&[0, 0, 0, 5, 1, 2, 3, 4], b"md5abc\0"),
        ] {
            server.send(&message(b'R', asked)).await;
            client.expect(&message(b'R', asked)).await;
            client.send(&message(b'p', secret)).await;
            server.expect(&message(b'p', secret)).await;
        }
        server.send(&greeting()).await;
        client.expect(&greeting()).await;
        client.send(&message(b'p', b"late")).await;
        assert_eq!(client.rest().await.first(), Some(&b'E'));
    })
    .await;
    assert!(served.is_err());
    assert!(log.borrow().operations.is_empty());
}

#[tokio::test]
async fn a_query_before_the_server_is_ready_waits() {
    let (_, log) = with(Setting::default(), |mut client, mut server| async move {
        let hello = startup(&["user", "ann"]);
        client
            .send(&[hello.clone(), query("select 1")].concat())
            .await;
        server.expect(&hello).await;
        server.send(&greeting()).await;
        server.expect(&query("select 1")).await;
    })
    .await;
    assert_eq!(log.borrow().texts(), ["select 1"]);
    assert_eq!(log.borrow().operations[0].database, "ann");
}

#[tokio::test]
async fn a_client_that_goes_instead_of_sending_its_password_ends_the_flow() {
    let (served, log) = with(Setting::default(), |mut client, mut server| async move {
        let hello = startup(&["user", "ann"]);
        client
            .send(&[hello.clone(), query("select 1")].concat())
            .await;
        server.expect(&hello).await;
        server.send(&message(b'R', &[0, 0, 0, 3])).await;
        client.expect(&message(b'R', &[0, 0, 0, 3])).await;
        client.shut().await;
        // The server does not have to do anything for it.
        assert!(server.rest().await.is_empty());
    })
    .await;
    assert!(matches!(served, Err(ServeError::ClientGone(_))));
    assert!(log.borrow().operations.is_empty());
}

#[tokio::test]
async fn a_client_that_sent_all_and_closed_its_side_is_answered() {
    let (served, _) = with(Setting::default(), |mut client, mut server| async move {
        let hello = startup(&["user", "ann"]);
        client
            .send(&[hello.clone(), query("select 1")].concat())
            .await;
        client.shut().await;
        server.expect(&hello).await;
        server.send(&greeting()).await;
        client.expect(&greeting()).await;
        server.expect(&query("select 1")).await;
        let answer = [complete("SELECT 1"), ready('I')].concat();
        server.send(&answer).await;
        client.expect(&answer).await;
        assert!(server.rest().await.is_empty());
    })
    .await;
    served.unwrap();
}

#[tokio::test]
async fn a_server_that_reads_texts_differently_makes_all_of_them_unknown() {
    for parameter in [
        &b"standard_conforming_strings\0off\0"[..],
        b"client_encoding\0SJIS\0",
    ] {
        let (_, log) = session(Setting::default(), |mut client, mut server| async move {
            server.send(&message(b'S', parameter)).await;
            client.expect(&message(b'S', parameter)).await;
            client.send(&query("select 1")).await;
            server.expect(&query("select 1")).await;
            server
                .send(&[super::wire::complete("SELECT 1"), ready('I')].concat())
                .await;
        })
        .await;
        assert_eq!(
            log.borrow().operations[0].effect(),
            sluice_flow::Effect::Unknown
        );
    }
}
