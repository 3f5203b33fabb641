use super::wire::{
    Say, Setting, bind, complete, describe, error, execute, message, parse, query, ready, session,
    sync,
};

/// What stands for a refused statement, so that an open transaction fails.
fn substitute() -> Vec<u8> {
    query("sluice refused this statement")
}

fn substitute_parse() -> Vec<u8> {
    parse("", "sluice refused this statement")
}

#[tokio::test]
async fn a_refused_statement_never_reaches_the_server() {
    let (served, log) = session(Setting::default(), |mut client, mut server| async move {
        client.send(&query("forbidden")).await;
        let (kind, body) = client.message().await;
        let told = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(kind, b'E');
        assert!(
            told.contains("SERROR\0VERROR\0C42501\0Msluice: refused"),
            "{told}"
        );
        assert!(told.contains("not today\0H"), "{told}");
        client.expect(&ready('I')).await;
        client.send(&query("select 1")).await;
        server.expect(&query("select 1")).await;
    })
    .await;
    served.unwrap();
    assert_eq!(log.borrow().texts(), ["forbidden", "select 1"]);
    assert!(
        log.borrow().refusals.is_empty(),
        "the gate noted it already"
    );
}

#[tokio::test]
async fn one_refused_statement_refuses_the_message() {
    session(Setting::default(), |mut client, mut server| async move {
        client.send(&query("select 1; forbidden; select 2")).await;
        assert_eq!(client.kinds_to('Z').await, "EZ");
        drop(client);
        assert!(server.rest().await.is_empty());
    })
    .await
    .0
    .unwrap();
}

#[tokio::test]
async fn in_a_transaction_the_servers_transaction_fails_too() {
    session(Setting::default(), |mut client, mut server| async move {
        client.send(&query("begin")).await;
        server.expect(&query("begin")).await;
        let begun = [complete("BEGIN"), ready('T')].concat();
        server.send(&begun).await;
        client.expect(&begun).await;
        client.send(&query("forbidden")).await;
        server.expect(&substitute()).await;
        server
            .send(&[error("42601", "syntax error"), ready('E')].concat())
            .await;
        let (kind, body) = client.message().await;
        assert_eq!(kind, b'E');
        assert!(String::from_utf8_lossy(&body).contains("not today"));
        client.expect(&ready('E')).await;
        // In a failed transaction there is nothing left to fail.
        client.send(&query("forbidden")).await;
        assert_eq!(client.message().await.0, b'E');
        client.expect(&ready('E')).await;
    })
    .await
    .0
    .unwrap();
}

#[tokio::test]
async fn in_a_pipeline_everything_to_the_sync_is_dropped_and_answers_keep_their_order() {
    let (served, log) = session(Setting::default(), |mut client, mut server| async move {
        let first = [parse("", "select 1"), bind("", ""), execute("")].concat();
        let second = [
            parse("", "forbidden"),
            bind("", ""),
            describe('P', ""),
            execute(""),
            query("select 9"),
            sync(),
        ];
        client
            .send(&[first.clone(), second.concat()].concat())
            .await;
        server.expect(&first).await;
        server.expect(&substitute_parse()).await;
        server.expect(&sync()).await;
        let answers = [
            message(b'1', b""),
            message(b'2', b""),
            complete("SELECT 1"),
            error("42601", "syntax"),
            ready('I'),
        ];
        server.send(&answers.concat()).await;
        client.expect(&answers[..3].concat()).await;
        let (kind, body) = client.message().await;
        assert_eq!(kind, b'E');
        assert!(String::from_utf8_lossy(&body).contains("not today"));
        client.expect(&ready('I')).await;
        client.send(&query("select 2")).await;
        server.expect(&query("select 2")).await;
    })
    .await;
    served.unwrap();
    assert_eq!(log.borrow().texts(), ["select 1", "forbidden", "select 2"]);
}

#[tokio::test]
async fn an_earlier_error_of_the_server_comes_instead_of_the_refusal() {
    session(Setting::default(), |mut client, mut server| async move {
        let first = parse("", "select x");
        client
            .send(&[first.clone(), parse("", "forbidden"), sync()].concat())
            .await;
        server
            .expect(&[first, substitute_parse(), sync()].concat())
            .await;
        let answers = [error("42703", "no x"), ready('I')].concat();
        server.send(&answers).await;
        client.expect(&answers).await;
        client.send(&query("select 2")).await;
        server.expect(&query("select 2")).await;
    })
    .await
    .0
    .unwrap();
}

#[tokio::test]
async fn between_pipelined_queries_a_refusal_keeps_its_place() {
    session(Setting::default(), |mut client, mut server| async move {
        client
            .send(&[query("begin"), query("forbidden"), query("select 3")].concat())
            .await;
        server
            .expect(&[query("begin"), substitute(), query("select 3")].concat())
            .await;
        let answers = [
            complete("BEGIN"),
            ready('T'),
            error("42601", "syntax"),
            ready('E'),
            error("25P02", "current transaction is aborted"),
            ready('E'),
        ];
        server.send(&answers.concat()).await;
        client.expect(&answers[..2].concat()).await;
        assert!(String::from_utf8_lossy(&client.message().await.1).contains("not today"));
        client.expect(&answers[3..].concat()).await;
    })
    .await
    .0
    .unwrap();
}

#[tokio::test]
async fn an_execute_is_judged_by_itself_in_a_later_pipeline() {
    let (_, log) = session(
        Setting {
            says: vec![Say::Allow, Say::Refuse],
            ..Setting::default()
        },
        |mut client, mut server| async move {
            client
                .send(&[parse("s", "select 1"), sync()].concat())
                .await;
            server
                .expect(&[parse("s", "select 1"), sync()].concat())
                .await;
            server
                .send(&[message(b'1', b""), ready('I')].concat())
                .await;
            client
                .send(&[bind("", "s"), execute(""), sync()].concat())
                .await;
            server
                .expect(&[bind("", "s"), substitute_parse(), sync()].concat())
                .await;
            server
                .send(&[message(b'2', b""), error("42601", "x"), ready('I')].concat())
                .await;
            assert_eq!(client.kinds_to('Z').await, "1Z");
            assert_eq!(client.kinds_to('Z').await, "2EZ");
        },
    )
    .await;
    assert_eq!(log.borrow().texts(), ["select 1", "select 1"]);
}

#[tokio::test]
async fn a_server_that_runs_the_substitute_is_not_believed() {
    let (served, _) = session(Setting::default(), |mut client, mut server| async move {
        client
            .send(&[query("begin"), query("forbidden")].concat())
            .await;
        server
            .expect(&[query("begin"), substitute()].concat())
            .await;
        server
            .send(
                &[
                    complete("BEGIN"),
                    ready('T'),
                    complete("SELECT 1"),
                    ready('T'),
                ]
                .concat(),
            )
            .await;
        client
            .expect(&[complete("BEGIN"), ready('T')].concat())
            .await;
        assert_eq!(client.rest().await.first(), Some(&b'E'));
    })
    .await;
    assert!(served.is_err());
}

#[test]
fn a_refusal_before_any_server_is_fatal() {
    let told = crate::postgres::refuse(&super::wire::refusal());
    assert_eq!(told[0], b'E');
    assert!(String::from_utf8_lossy(&told).contains("SFATAL\0VFATAL\0C42501\0"));
}
