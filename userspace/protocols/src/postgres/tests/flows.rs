use sluice_flow::Effect;

use super::wire::{
    Setting, bind, close, complete, describe, description, error, execute, message, parse, query,
    ready, row, session, sync, terminate,
};

fn answer(rows: usize) -> Vec<u8> {
    let mut bytes = description(&[("a", 25, false)]);
    for _ in 0..rows {
        bytes.extend(row(&[Some(b"value")]));
    }
    bytes.extend(complete(&format!("SELECT {rows}")));
    bytes.extend(ready('I'));
    bytes
}

#[tokio::test]
async fn a_query_goes_up_and_its_answer_down_byte_for_byte() {
    let (served, log) = session(Setting::default(), |mut client, mut server| async move {
        client.send(&query("select a from t")).await;
        server.expect(&query("select a from t")).await;
        server.send(&answer(3)).await;
        client.expect(&answer(3)).await;
        client.send(&terminate()).await;
        server.expect(&terminate()).await;
    })
    .await;
    served.unwrap();
    let log = log.borrow();
    let operation = &log.operations[0];
    assert_eq!(
        (operation.user.as_str(), operation.database.as_str()),
        ("ann", "shop")
    );
    assert_eq!(
        (operation.via.as_str(), operation.effect()),
        ("query", Effect::Read)
    );
    assert_eq!(log.answers[0].1.tag.as_deref(), Some("SELECT 3"));
    assert_eq!(log.answers[0].1.rows, Some(3));
    assert!(log.passed.iter().all(|bytes| *bytes > 0));
}

/// Questions and their answers, one pipeline after the other.
fn dialogue() -> Vec<(Vec<u8>, Vec<u8>)> {
    let prepare = [parse("s", "select $1"), describe('S', "s"), sync()];
    let prepared = [
        message(b'1', b""),
        message(b't', &[0, 0]),
        description(&[("a", 25, false)]),
        ready('I'),
    ];
    let run = [bind("", "s"), execute(""), close('S', "s"), sync()];
    let ran = [
        message(b'2', b""),
        row(&[None]),
        complete("SELECT 1"),
        message(b'3', b""),
        ready('I'),
    ];
    vec![
        (query("select 1"), answer(2)),
        (prepare.concat(), prepared.concat()),
        (run.concat(), ran.concat()),
        (query("select 2"), answer(0)),
    ]
}

#[tokio::test]
async fn cut_at_every_byte_both_ways_the_result_is_the_same() {
    for pipe in [1, 2, 3, 5, 7, 64, 4096] {
        let setting = Setting {
            pipe,
            ..Setting::default()
        };
        let (served, log) = session(setting, |mut client, mut server| async move {
            for (question, answer) in dialogue() {
                tokio::join!(client.send(&question), server.expect(&question));
                tokio::join!(server.send(&answer), client.expect(&answer));
            }
            let end = terminate();
            tokio::join!(client.send(&end), server.expect(&end));
        })
        .await;
        served.unwrap();
        let log = log.borrow();
        let texts = ["select 1", "select $1", "select $1", "select 2"];
        assert_eq!(log.texts(), texts, "{pipe}");
        let tags: Vec<_> = log
            .answers
            .iter()
            .map(|(_, a)| a.tag.clone().unwrap())
            .collect();
        assert_eq!(tags, ["SELECT 2", "SELECT 1", "SELECT 0"]);
    }
}

#[tokio::test]
async fn pipelines_are_passed_on_without_waiting_for_answers() {
    let one = [parse("", "select 1"), bind("", ""), execute(""), sync()].concat();
    let one_answer = [
        message(b'1', b""),
        message(b'2', b""),
        complete("SELECT 1"),
        ready('I'),
    ]
    .concat();
    let (served, log) = session(Setting::default(), |mut client, mut server| async move {
        client.send(&one.repeat(100)).await;
        server.expect(&one.repeat(100)).await;
        server.send(&one_answer.repeat(100)).await;
        client.expect(&one_answer.repeat(100)).await;
        client.send(&terminate()).await;
    })
    .await;
    served.unwrap();
    // Parse and the Execute of its pipeline are one operation.
    assert_eq!(log.borrow().operations.len(), 100);
    assert_eq!(log.borrow().answers.len(), 100);
}

#[tokio::test]
async fn a_client_that_reads_late_loses_nothing() {
    let setting = Setting {
        pipe: 1024,
        ..Setting::default()
    };
    let (served, _) = session(setting, |mut client, mut server| async move {
        let questions = query("select a from t").repeat(500);
        let answers = answer(50).repeat(500);
        // The answers to the first questions fill every buffer before the last is asked.
        let ask = async {
            client.send(&questions).await;
            client.expect(&answers).await;
        };
        let reply = async {
            for _ in 0..500 {
                server.expect(&query("select a from t")).await;
            }
            server.send(&answers).await;
        };
        tokio::join!(ask, reply);
        client.send(&terminate()).await;
    })
    .await;
    served.unwrap();
}

#[tokio::test]
async fn the_empty_query_is_answered() {
    let (_, log) = session(Setting::default(), |mut client, mut server| async move {
        client.send(&query(" ; ")).await;
        server.expect(&query(" ; ")).await;
        let empty = [message(b'I', b""), ready('I')].concat();
        server.send(&empty).await;
        client.expect(&empty).await;
    })
    .await;
    assert_eq!(log.borrow().operations[0].effect(), Effect::Read);
}

#[tokio::test]
async fn after_an_error_the_rest_of_the_pipeline_is_neither_sent_nor_judged() {
    let (_, log) = session(Setting::default(), |mut client, mut server| async move {
        client.send(&parse("", "select x")).await;
        server.expect(&parse("", "select x")).await;
        server.send(&error("42703", "no x")).await;
        client.expect(&error("42703", "no x")).await;
        let skipped = [bind("", ""), execute(""), query("select 2"), sync()].concat();
        client.send(&skipped).await;
        server.expect(&sync()).await;
        server.send(&ready('I')).await;
        client.expect(&ready('I')).await;
        client.send(&query("select 3")).await;
        server.expect(&query("select 3")).await;
    })
    .await;
    assert_eq!(log.borrow().texts(), ["select x", "select 3"]);
}

#[tokio::test]
async fn several_statements_are_one_operation_with_one_answer() {
    let (_, log) = session(Setting::default(), |mut client, mut server| async move {
        let both = query("insert into t values (1); select 2");
        client.send(&both).await;
        server.expect(&both).await;
        let answers = [
            complete("INSERT 0 1"),
            description(&[("a", 23, false)]),
            row(&[Some(b"2")]),
            complete("SELECT 1"),
            ready('I'),
        ];
        server.send(&answers.concat()).await;
        client.expect(&answers.concat()).await;
    })
    .await;
    let log = log.borrow();
    assert_eq!(log.operations[0].statements.len(), 2);
    assert_eq!(log.operations[0].effect(), Effect::Write);
    assert_eq!(
        log.answers[0].1.tag.as_deref(),
        Some("INSERT 0 1; SELECT 1")
    );
}

#[tokio::test]
async fn a_function_call_is_judged() {
    let call = message(b'F', &[0, 0, 3, 0xe8, 0, 0, 0, 0, 0, 0]);
    let (_, log) = session(Setting::default(), |mut client, mut server| async move {
        client.send(&call).await;
        server.expect(&call).await;
        let result = [message(b'V', &[0xff; 4]), ready('I')].concat();
        server.send(&result).await;
        client.expect(&result).await;
    })
    .await;
    let log = log.borrow();
    assert_eq!(log.operations[0].via, "function call");
    assert_eq!(log.operations[0].effect(), Effect::Unknown);
    assert_eq!(log.answers.len(), 1);
}

#[tokio::test]
async fn the_end_of_either_side_ends_the_other() {
    let (served, _) = session(Setting::default(), |client, mut server| async move {
        drop(client);
        assert!(server.rest().await.is_empty());
    })
    .await;
    served.unwrap();
    let (served, _) = session(Setting::default(), |mut client, mut server| async move {
        let last = error("57P01", "terminating connection");
        server.send(&last).await;
        drop(server);
        assert_eq!(client.rest().await, last);
    })
    .await;
    served.unwrap();
}

#[tokio::test]
async fn what_comes_behind_terminate_goes_nowhere() {
    let (served, log) = session(Setting::default(), |mut client, mut server| async move {
        client
            .send(&[terminate(), query("select 1")].concat())
            .await;
        assert_eq!(server.rest().await, terminate());
    })
    .await;
    served.unwrap();
    assert!(log.borrow().operations.is_empty());
}
