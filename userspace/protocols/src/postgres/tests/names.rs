use sluice_flow::Effect;

use super::wire::{
    Log, Setting, bind, close, complete, error, execute, message, parse, query, ready, session,
    sync,
};

fn done(tag: &str) -> Vec<u8> {
    [complete(tag), ready('I')].concat()
}

/// Sends queries and answers each with the tag that is given, or an error for an empty one.
async fn queries(
    list: &'static [(&'static str, &'static str)],
) -> std::rc::Rc<std::cell::RefCell<Log>> {
    let (served, log) = session(Setting::default(), |mut client, mut server| async move {
        for (sql, tag) in list {
            client.send(&query(sql)).await;
            server.expect(&query(sql)).await;
            let answer = match *tag {
                "" => [error("42P05", "already exists"), ready('I')].concat(),
                tag => [
                    tag.split(';').map(complete).collect::<Vec<_>>().concat(),
                    ready('I'),
                ]
                .concat(),
            };
            server.send(&answer).await;
            client.expect(&answer).await;
        }
    })
    .await;
    served.unwrap();
    log
}

fn effects(log: &Log) -> Vec<Effect> {
    log.operations.iter().map(|o| o.effect()).collect()
}

#[tokio::test]
async fn execute_is_as_strong_as_what_was_prepared() {
    use Effect::{Read, Unknown, Write};
    let log = queries(&[
        ("prepare p as delete from cards", "PREPARE"),
        ("execute p", "DELETE 1"),
        ("explain analyze execute p", "EXPLAIN"),
        ("deallocate p", "DEALLOCATE"),
        ("execute p", ""),
        ("prepare p as select 1", "PREPARE"),
        ("execute p", "SELECT 1"),
        ("discard all", "DISCARD ALL"),
        ("execute p", ""),
    ])
    .await;
    let log = log.borrow();
    assert_eq!(
        effects(&log),
        [
            Write, Write, Write, Read, Unknown, Read, Read, Read, Unknown
        ]
    );
    assert_eq!(log.operations[1].statements[0].writes, ["cards"]);
}

#[tokio::test]
async fn a_prepare_that_failed_changes_nothing() {
    let log = queries(&[
        ("prepare p as delete from cards", "PREPARE"),
        ("prepare p as select 1", ""),
        ("execute p", "DELETE 1"),
        ("deallocate p", ""),
        ("execute p", "DELETE 1"),
    ])
    .await;
    let log = log.borrow();
    assert_eq!(log.operations[2].effect(), Effect::Write);
    assert_eq!(log.operations[4].effect(), Effect::Write);
}

#[tokio::test]
async fn inside_a_message_a_name_means_what_was_given_before() {
    let log = queries(&[
        (
            "prepare p as delete from cards; execute p",
            "PREPARE;DELETE 1",
        ),
        (
            "prepare q as select 1; execute q; deallocate q",
            "PREPARE;SELECT 1;DEALLOCATE",
        ),
        ("execute q", ""),
    ])
    .await;
    let log = log.borrow();
    assert_eq!(
        effects(&log),
        [Effect::Write, Effect::Read, Effect::Unknown]
    );
}

#[tokio::test]
async fn sql_and_protocol_share_their_names() {
    let (served, log) = session(Setting::default(), |mut client, mut server| async move {
        client
            .send(&[parse("p", "delete from cards"), sync()].concat())
            .await;
        server
            .expect(&[parse("p", "delete from cards"), sync()].concat())
            .await;
        server
            .send(&[message(b'1', b""), ready('I')].concat())
            .await;
        assert_eq!(client.kinds_to('Z').await, "1Z");
        client.send(&query("execute p")).await;
        server.expect(&query("execute p")).await;
        server.send(&done("DELETE 1")).await;
        assert_eq!(client.kinds_to('Z').await, "CZ");
        let again = [bind("", "p"), execute(""), close('S', "p"), sync()].concat();
        client.send(&again).await;
        server.expect(&again).await;
        let answers = [
            message(b'2', b""),
            complete("DELETE 1"),
            message(b'3', b""),
            ready('I'),
        ];
        server.send(&answers.concat()).await;
        assert_eq!(client.kinds_to('Z').await, "2C3Z");
        client.send(&query("execute p")).await;
        server.expect(&query("execute p")).await;
    })
    .await;
    served.unwrap();
    use Effect::{Unknown, Write};
    assert_eq!(effects(&log.borrow()), [Write, Write, Write, Unknown]);
}

#[tokio::test]
async fn a_name_that_depends_on_an_answer_waits_for_it() {
    let (served, log) = session(Setting::default(), |mut client, mut server| async move {
        let first = [parse("p", "select 1"), sync()].concat();
        let second = [bind("", "p"), execute(""), sync()].concat();
        client.send(&[first.clone(), second.clone()].concat()).await;
        server.expect(&first).await;
        // The server says no: then the name is unknown, and that is what is judged.
        server
            .send(&[error("42601", "no"), ready('I')].concat())
            .await;
        server.expect(&second).await;
    })
    .await;
    served.unwrap();
    use Effect::{Read, Unknown};
    assert_eq!(effects(&log.borrow()), [Read, Unknown]);
}

#[tokio::test]
async fn a_parse_that_the_server_passed_over_leaves_the_old_statement() {
    let (_, log) = session(Setting::default(), |mut client, mut server| async move {
        client
            .send(&[parse("", "delete from cards"), sync()].concat())
            .await;
        server
            .expect(&[parse("", "delete from cards"), sync()].concat())
            .await;
        server
            .send(&[message(b'1', b""), ready('I')].concat())
            .await;
        assert_eq!(client.kinds_to('Z').await, "1Z");
        let second = [bind("x", "nothing"), parse("", "select 1"), sync()].concat();
        client.send(&second).await;
        server.expect(&second).await;
        server
            .send(&[error("26000", "no such statement"), ready('I')].concat())
            .await;
        assert_eq!(client.kinds_to('Z').await, "EZ");
        client
            .send(&[bind("", ""), execute(""), sync()].concat())
            .await;
        server
            .expect(&[bind("", ""), execute(""), sync()].concat())
            .await;
    })
    .await;
    assert_eq!(log.borrow().operations[2].effect(), Effect::Write);
}

#[tokio::test]
async fn after_a_change_of_the_search_path_bare_names_are_uncertain() {
    let log = queries(&[
        ("select * from cards", "SELECT 1"),
        ("set search_path = payments", "SET"),
        ("select * from cards", "SELECT 1"),
        ("select * from payments.cards", "SELECT 1"),
        ("set search_path = x; select * from cards", "SET;SELECT 1"),
    ])
    .await;
    let known: Vec<bool> = log
        .borrow()
        .operations
        .iter()
        .map(|o| o.statements.last().unwrap().tables_known)
        .collect();
    assert_eq!(known, [true, true, false, true, false]);
}

#[tokio::test]
async fn after_a_change_of_how_texts_are_read_all_are_unknown() {
    let log = queries(&[
        ("set standard_conforming_strings = off", "SET"),
        ("select 1", "SELECT 1"),
    ])
    .await;
    assert_eq!(effects(&log.borrow()), [Effect::Unknown, Effect::Unknown]);
}

#[tokio::test]
async fn more_prepared_statements_than_the_limit_end_the_flow() {
    use crate::postgres::limits::MAX_NAMES;
    let (served, log) = session(Setting::default(), |mut client, mut server| async move {
        for number in 0..=MAX_NAMES {
            let one = [parse(&format!("s{number}"), "select 1"), sync()].concat();
            client.send(&one).await;
            if number == MAX_NAMES {
                assert_eq!(client.rest().await.first(), Some(&b'E'));
                break;
            }
            server.expect(&one).await;
            server
                .send(&[message(b'1', b""), ready('I')].concat())
                .await;
            assert_eq!(client.kinds_to('Z').await, "1Z");
        }
    })
    .await;
    assert!(served.is_err());
    assert_eq!(log.borrow().refusals, [sluice_flow::Cause::OverLimit]);
}

#[tokio::test]
async fn a_portal_that_is_fetched_in_parts_is_one_operation() {
    let (_, log) = session(Setting::default(), |mut client, mut server| async move {
        let first = [
            parse("", "select * from t"),
            bind("c", ""),
            execute("c"),
            sync(),
        ]
        .concat();
        client.send(&first).await;
        server.expect(&first).await;
        server
            .send(
                &[
                    message(b'1', b""),
                    message(b'2', b""),
                    message(b's', b""),
                    ready('T'),
                ]
                .concat(),
            )
            .await;
        assert_eq!(client.kinds_to('Z').await, "12sZ");
        client.send(&[execute("c"), sync()].concat()).await;
        server.expect(&[execute("c"), sync()].concat()).await;
        server
            .send(&[complete("SELECT 1"), ready('T')].concat())
            .await;
        assert_eq!(client.kinds_to('Z').await, "CZ");
    })
    .await;
    assert_eq!(log.borrow().operations.len(), 1);
}
