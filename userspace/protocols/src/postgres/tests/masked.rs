use super::wire::{
    Log, Setting, bind, complete, describe, description, execute, masker, message, parse, query,
    ready, response, row, session, sync,
};

const TEXT: u32 = 25;

fn setting() -> Setting {
    Setting {
        masker: Some(masker()),
        ..Setting::default()
    }
}

type Value = Option<&'static [u8]>;

/// The value that a client sees of a one-column result.
async fn seen(
    sql: &'static str,
    column: (&'static str, u32, bool),
    value: Value,
) -> Option<Vec<u8>> {
    let got = std::rc::Rc::new(std::cell::RefCell::new(None));
    let copy = std::rc::Rc::clone(&got);
    let (served, _) = session(setting(), |mut client, mut server| async move {
        client.send(&query(sql)).await;
        server.expect(&query(sql)).await;
        let answer = [
            description(&[column]),
            row(&[value]),
            complete("SELECT 1"),
            ready('I'),
        ];
        server.send(&answer.concat()).await;
        client.expect(&answer[0]).await;
        let (kind, body) = client.message().await;
        assert_eq!(kind, b'D');
        let length = i32::from_be_bytes(body[2..6].try_into().unwrap());
        if length >= 0 {
            assert_eq!(body.len(), 6 + usize::try_from(length).unwrap());
            *copy.borrow_mut() = Some(body[6..].to_vec());
        }
        client.expect(&answer[2..].concat()).await;
    })
    .await;
    served.unwrap();
    got.take()
}

type Column = (&'static str, u32, bool);

const MAIL: Value = Some(b"to ann@example.com");

/// Statement, described column, value of the server, value that the client sees.
const VALUES: &[(&str, Column, Value, Value)] = &[
    (
        "select ssn from p",
        ("ssn", TEXT, false),
        Some(b"123"),
        Some(b"[redacted:column]"),
    ),
    (
        "select ssn from p",
        ("ssn", TEXT, true),
        Some(b"123"),
        Some(b"[redacted:column]"),
    ),
    (
        "select ssn as x from p",
        ("x", TEXT, false),
        Some(b"123"),
        Some(b"[redacted:column]"),
    ),
    ("select ssn from p", ("ssn", TEXT, false), None, None),
    // Types that cannot hold a mask become NULL.
    ("select ssn from p", ("ssn", 23, false), Some(b"123"), None),
    (
        "select ssn from p",
        ("ssn", 23, true),
        Some(&[0, 0, 0, 1]),
        None,
    ),
    (
        "select ssn from p",
        ("ssn", 1082, false),
        Some(b"2026-01-01"),
        None,
    ),
    // Made from a masked column: nothing is shown.
    (
        "select ssn || 'x' from p",
        ("?column?", TEXT, false),
        Some(b"123x"),
        Some(b"[redacted:column]"),
    ),
    (
        "select length(ssn) from p",
        ("length", 23, false),
        Some(b"3"),
        None,
    ),
    (
        "select row_to_json(p) from p",
        ("row_to_json", 114, false),
        Some(b"{\"ssn\":1}"),
        Some(b"\"[redacted:column]\""),
    ),
    (
        "select to_jsonb(p) from p",
        ("to_jsonb", 3802, true),
        Some(b"\x01{}"),
        None,
    ),
    (
        "select count(ssn) from p",
        ("count", 20, false),
        Some(b"3"),
        Some(b"3"),
    ),
    // Detectors look everywhere.
    (
        "select note from p",
        ("note", TEXT, false),
        MAIL,
        Some(b"to [redacted:email]"),
    ),
    (
        "select note from p",
        ("note", TEXT, true),
        MAIL,
        Some(b"to [redacted:email]"),
    ),
    (
        "select note from p",
        ("note", 1043, true),
        MAIL,
        Some(b"to [redacted:email]"),
    ),
    (
        "select note from p",
        ("note", 20_000, true),
        MAIL,
        Some(b"to [redacted:email]"),
    ),
    (
        "select note from p",
        ("note", 114, true),
        Some(b"{\"a\":\"ann@example.com\"}"),
        Some(b"{\"a\":\"[redacted:email]\"}"),
    ),
    (
        "select note from p",
        ("note", 3802, true),
        Some(b"\x01{\"a\":\"ann@example.com\"}"),
        Some(b"\x01{\"a\":\"[redacted:email]\"}"),
    ),
    (
        "select note from p",
        ("note", 17, true),
        MAIL,
        Some(b"to [redacted:email]"),
    ),
    (
        "select note from p",
        ("note", 17, false),
        Some(b"\\x616e6e406578616d706c652e636f6d"),
        Some(b"\\x5b72656461637465643a656d61696c5d"),
    ),
    (
        "select note from p",
        ("note", 1009, true),
        Some(b"\0\0ann@example.com"),
        None,
    ),
    (
        "select note from p",
        ("note", 20_000, true),
        Some(b"\0\0\0\x01 ann@example.com"),
        None,
    ),
    (
        "select n from p",
        ("n", 23, true),
        Some(&[0, 0, 0, 1]),
        Some(&[0, 0, 0, 1]),
    ),
    // What is longer than its type can be is not of that type.
    ("select n from p", ("n", 23, true), MAIL, None),
    ("select n from p", ("n", 1700, true), MAIL, None),
    ("select n from p", ("n", 1007, true), MAIL, None),
    (
        "select n from p",
        ("n", 1700, true),
        Some(&[0, 1, 0, 0, 0, 0, 0, 0, 0, 7]),
        Some(&[0, 1, 0, 0, 0, 0, 0, 0, 0, 7]),
    ),
    (
        "select n from p",
        ("n", 20, true),
        Some(&[0; 8]),
        Some(&[0; 8]),
    ),
    (
        "select n from p",
        ("n", 20, false),
        Some(b"77"),
        Some(b"77"),
    ),
];

#[tokio::test]
async fn values_are_masked_in_every_form_that_they_come_in() {
    for (sql, column, value, want) in VALUES.iter().copied() {
        let got = seen(sql, column, value).await;
        assert_eq!(
            got.as_deref(),
            want,
            "{sql} {column:?}: {:?}",
            got.as_deref().map(String::from_utf8_lossy)
        );
    }
}

#[tokio::test]
async fn rows_of_a_cursor_have_the_masks_of_its_query() {
    session(setting(), |mut client, mut server| async move {
        for (sql, tag) in [
            ("begin", "BEGIN"),
            (
                "declare c cursor for select ssn as x from p",
                "DECLARE CURSOR",
            ),
        ] {
            client.send(&query(sql)).await;
            server.expect(&query(sql)).await;
            server.send(&[complete(tag), ready('T')].concat()).await;
            assert_eq!(client.kinds_to('Z').await, "CZ");
        }
        client.send(&query("fetch all from c")).await;
        server.expect(&query("fetch all from c")).await;
        let head = description(&[("x", TEXT, false)]);
        server
            .send(
                &[
                    head.clone(),
                    row(&[Some(b"123")]),
                    complete("FETCH 1"),
                    ready('T'),
                ]
                .concat(),
            )
            .await;
        client.expect(&head).await;
        client.expect(&row(&[Some(b"[redacted:column]")])).await;
    })
    .await
    .0
    .unwrap();
}

#[tokio::test]
async fn an_execute_that_the_client_does_not_describe_is_described_for_the_gate() {
    session(setting(), |mut client, mut server| async move {
        let asked = [
            parse("", "select ssn from p"),
            bind("", ""),
            execute(""),
            sync(),
        ];
        client.send(&asked.concat()).await;
        server.expect(&asked[..2].concat()).await;
        server.expect(&describe('P', "")).await;
        server.expect(&asked[2..].concat()).await;
        let answers = [
            message(b'1', b""),
            message(b'2', b""),
            description(&[("ssn", TEXT, true)]),
            row(&[Some(b"123")]),
            complete("SELECT 1"),
            ready('I'),
        ];
        server.send(&answers.concat()).await;
        client.expect(&answers[..2].concat()).await;
        client.expect(&row(&[Some(b"[redacted:column]")])).await;
        client.expect(&answers[4..].concat()).await;
    })
    .await
    .0
    .unwrap();
}

#[tokio::test]
async fn rows_without_a_description_are_not_shown() {
    let (served, _) = session(setting(), |mut client, mut server| async move {
        client.send(&query("select ssn from p")).await;
        server.expect(&query("select ssn from p")).await;
        server.send(&row(&[Some(b"123-45")])).await;
        assert!(!String::from_utf8_lossy(&client.rest().await).contains("123-45"));
    })
    .await;
    assert!(served.is_err());
}

#[tokio::test]
async fn a_format_that_there_is_not_ends_the_flow() {
    for (format, good) in [
        ([0, 0], true),
        ([0, 1], true),
        ([0, 2], false),
        ([1, 0], false),
    ] {
        let (served, _) = session(setting(), |mut client, mut server| async move {
            client.send(&query("select a from p")).await;
            server.expect(&query("select a from p")).await;
            let mut head = description(&[("a", TEXT, false)]);
            let end = head.len() - 2;
            head[end..].copy_from_slice(&format);
            let row = row(&[Some(b"ann@example.com")]);
            server
                .send(&[head, row, complete("SELECT 1"), ready('I')].concat())
                .await;
            drop(server);
            let seen = client.rest().await;
            assert!(!String::from_utf8_lossy(&seen).contains("ann@"));
        })
        .await;
        assert_eq!(served.is_ok(), good, "{format:?}");
    }
}

#[tokio::test]
async fn more_values_than_described_are_not_shown() {
    session(setting(), |mut client, mut server| async move {
        client.send(&query("select a from p")).await;
        server.expect(&query("select a from p")).await;
        server
            .send(
                &[
                    description(&[("a", TEXT, false)]),
                    row(&[Some(b"1"), Some(b"2")]),
                ]
                .concat(),
            )
            .await;
        client.expect(&description(&[("a", TEXT, false)])).await;
        client.expect(&row(&[Some(b"1"), None])).await;
    })
    .await
    .0
    .unwrap();
}

/// What a client sees of a message of the server to a statement.
async fn told(sql: &'static str, message: Vec<u8>) -> String {
    let got = std::rc::Rc::new(std::cell::RefCell::new(String::new()));
    let copy = std::rc::Rc::clone(&got);
    session(setting(), |mut client, mut server| async move {
        client.send(&query(sql)).await;
        server.expect(&query(sql)).await;
        server
            .send(&[message, complete("X"), ready('I')].concat())
            .await;
        *copy.borrow_mut() = String::from_utf8_lossy(&client.message().await.1).into_owned();
    })
    .await
    .0
    .ok();
    got.take()
}

#[tokio::test]
async fn errors_and_notices_show_no_masked_value() {
    for kind in [b'E', b'N'] {
        let data = told(
            "select ssn::int from p",
            response(kind, "22P02", "bad: 123-45"),
        )
        .await;
        assert!(
            !data.contains("123-45") && data.contains("withheld"),
            "{data}"
        );
        let name = told(
            "select ssn from q",
            response(kind, "42P01", "relation q does not exist"),
        )
        .await;
        assert!(name.contains("relation q does not exist"), "{name}");
        let mail = told("select 1", response(kind, "P0001", "mail ann@example.com")).await;
        assert!(mail.contains("mail [redacted:email]"), "{mail}");
        let other = told("select id::int from p", response(kind, "22P02", "bad: x")).await;
        assert!(other.contains("bad: x"), "{other}");
    }
    let raised = told(
        "do $$ begin raise notice 'x'; end $$",
        response(b'N', "00000", "123-45"),
    )
    .await;
    assert!(!raised.contains("123-45"), "{raised}");
}

#[tokio::test]
async fn payloads_of_notifications_are_masked() {
    let (_, log) = session(setting(), |mut client, mut server| async move {
        client.send(&query("listen news")).await;
        server.expect(&query("listen news")).await;
        server
            .send(
                &[
                    complete("LISTEN"),
                    ready('I'),
                    message(b'A', b"\0\0\0\x01news\0ann@example.com\0"),
                ]
                .concat(),
            )
            .await;
        assert_eq!(client.kinds_to('Z').await, "CZ");
        client
            .expect(&message(b'A', b"\0\0\0\x01news\0[redacted:email]\0"))
            .await;
    })
    .await;
    assert_eq!(log.borrow().hits, 1);
}

#[tokio::test]
async fn hits_are_counted_and_only_masked_bytes_are_recorded() {
    let setting = Setting {
        record: true,
        ..setting()
    };
    let (_, log) = session(setting, |mut client, mut server| async move {
        client.send(&query("select id, ssn from p")).await;
        server.expect(&query("select id, ssn from p")).await;
        let head = description(&[("id", TEXT, false), ("ssn", TEXT, false)]);
        server
            .send(
                &[
                    head,
                    row(&[Some(b"1"), Some(b"123")]),
                    row(&[Some(b"2"), None]),
                    complete("SELECT 2"),
                    ready('I'),
                ]
                .concat(),
            )
            .await;
        assert_eq!(client.kinds_to('Z').await, "TDDCZ");
    })
    .await;
    let log: &Log = &log.borrow();
    assert_eq!(
        String::from_utf8_lossy(&log.payload),
        "1\t[redacted:column]\n2\t\\N\n"
    );
    assert_eq!(log.hits, 1);
}

#[tokio::test]
async fn the_result_of_a_function_call_on_a_masked_route_is_refused() {
    let call = message(b'F', &[0, 0, 3, 0xe8, 0, 0, 0, 0, 0, 0]);
    let (served, _) = session(setting(), |mut client, mut server| async move {
        client.send(&call).await;
        server.expect(&call).await;
        server
            .send(&[message(b'V', b"\0\0\0\x06123-45"), ready('I')].concat())
            .await;
        assert!(!String::from_utf8_lossy(&client.rest().await).contains("123-45"));
    })
    .await;
    assert!(served.is_err());
}

#[tokio::test]
async fn a_row_over_the_limit_of_what_is_masked_ends_the_flow() {
    use crate::postgres::limits::MASKED_ROW_BYTES;
    let (served, _) = session(setting(), |mut client, mut server| async move {
        client.send(&query("select a from p")).await;
        server.expect(&query("select a from p")).await;
        let length = u32::try_from(MASKED_ROW_BYTES + 5).unwrap().to_be_bytes();
        server
            .send(
                &[
                    description(&[("a", TEXT, false)]),
                    [&b"D"[..], &length].concat(),
                ]
                .concat(),
            )
            .await;
        assert_eq!(client.kinds_to('E').await, "TE");
    })
    .await;
    assert!(
        served
            .unwrap_err()
            .refusal()
            .is_some_and(|r| r.cause == sluice_flow::Cause::OverLimit)
    );
}
