use super::wire::{
    Setting, bind, complete, error, execute, masker, message, parse, query, ready, session, sync,
};
use crate::postgres::ServeError;

fn data(bytes: &[u8]) -> Vec<u8> {
    message(b'd', bytes)
}

const TEXT_IN: &[u8] = &[0, 0, 1, 0, 0];

#[tokio::test]
async fn rows_go_up_once_the_statement_was_judged() {
    let (served, log) = session(Setting::default(), |mut client, mut server| async move {
        client.send(&query("copy t from stdin")).await;
        server.expect(&query("copy t from stdin")).await;
        server.send(&message(b'G', TEXT_IN)).await;
        client.expect(&message(b'G', TEXT_IN)).await;
        let rows = [data(b"1\n"), data(b"2\n"), message(b'c', b"")].concat();
        client.send(&rows).await;
        server.expect(&rows).await;
        server
            .send(&[complete("COPY 2"), ready('I')].concat())
            .await;
        client
            .expect(&[complete("COPY 2"), ready('I')].concat())
            .await;
    })
    .await;
    served.unwrap();
    assert_eq!(log.borrow().answers[0].1.rows, Some(2));
}

#[tokio::test]
async fn a_query_in_the_middle_of_copy_data_ends_the_flow() {
    let (served, _) = session(Setting::default(), |mut client, mut server| async move {
        client.send(&query("copy t from stdin")).await;
        server.expect(&query("copy t from stdin")).await;
        server.send(&message(b'G', TEXT_IN)).await;
        client.expect(&message(b'G', TEXT_IN)).await;
        client.send(&query("select 1")).await;
        assert_eq!(client.rest().await.first(), Some(&b'E'));
    })
    .await;
    assert!(matches!(served, Err(ServeError::Client(_))));
}

#[tokio::test]
async fn a_query_that_the_server_would_take_for_copy_data_waits() {
    let (served, log) = session(Setting::default(), |mut client, mut server| async move {
        client
            .send(&[query("copy t from stdin"), query("select 1")].concat())
            .await;
        server.expect(&query("copy t from stdin")).await;
        assert!(server.quiet().await);
        server
            .send(&[error("42P01", "no t"), ready('I')].concat())
            .await;
        server.expect(&query("select 1")).await;
    })
    .await;
    served.unwrap();
    assert_eq!(log.borrow().operations.len(), 2);
}

#[tokio::test]
async fn a_sync_that_the_server_passes_over_does_not_shift_the_answers() {
    let (served, _) = session(Setting::default(), |mut client, mut server| async move {
        // As libpq does it: Sync right behind Execute, and again at the end of the data.
        let start = [
            parse("", "copy t from stdin"),
            bind("", ""),
            execute(""),
            sync(),
        ]
        .concat();
        client.send(&start).await;
        server.expect(&start).await;
        let copying = [
            message(b'1', b""),
            message(b'2', b""),
            message(b'G', TEXT_IN),
        ]
        .concat();
        server.send(&copying).await;
        client.expect(&copying).await;
        let rows = [data(b"1\n"), message(b'c', b""), sync()].concat();
        client.send(&rows).await;
        server.expect(&rows).await;
        server
            .send(&[complete("COPY 1"), ready('I')].concat())
            .await;
        client
            .expect(&[complete("COPY 1"), ready('I')].concat())
            .await;
        client.send(&query("select 1")).await;
        server.expect(&query("select 1")).await;
        server
            .send(&[complete("SELECT 1"), ready('I')].concat())
            .await;
        client
            .expect(&[complete("SELECT 1"), ready('I')].concat())
            .await;
    })
    .await;
    served.unwrap();
}

#[tokio::test]
async fn all_of_it_sent_ahead_comes_out_right_too() {
    let (served, _) = session(Setting::default(), |mut client, mut server| async move {
        let all = [
            parse("", "copy t from stdin"),
            bind("", ""),
            execute(""),
            sync(),
            data(b"1\n"),
            message(b'c', b""),
            sync(),
        ]
        .concat();
        client
            .send(&[all.clone(), query("select 1")].concat())
            .await;
        server.expect(&all).await;
        let answers = [
            message(b'1', b""),
            message(b'2', b""),
            message(b'G', TEXT_IN),
            complete("COPY 1"),
            ready('I'),
        ];
        server.send(&answers.concat()).await;
        client.expect(&answers.concat()).await;
        server.expect(&query("select 1")).await;
    })
    .await;
    served.unwrap();
}

#[tokio::test]
async fn a_failed_copy_and_what_the_client_still_sends_of_it() {
    let (served, _) = session(Setting::default(), |mut client, mut server| async move {
        client.send(&query("copy t from stdin")).await;
        server.expect(&query("copy t from stdin")).await;
        server
            .send(&[message(b'G', TEXT_IN), error("22P02", "bad"), ready('I')].concat())
            .await;
        assert_eq!(client.kinds_to('Z').await, "GEZ");
        let late = [data(b"2\n"), message(b'c', b"")].concat();
        client
            .send(&[late.clone(), query("select 1")].concat())
            .await;
        server.expect(&[late, query("select 1")].concat()).await;
        server
            .send(&[complete("SELECT 1"), ready('I')].concat())
            .await;
        assert_eq!(client.kinds_to('Z').await, "CZ");
    })
    .await;
    served.unwrap();
}

#[tokio::test]
async fn copy_data_of_a_second_statement_in_flight_keeps_its_barrier() {
    let (served, log) = session(Setting::default(), |mut client, mut server| async move {
        let ahead = [query("select 1"), query("copy t from stdin")].concat();
        client
            .send(&[ahead.clone(), query("select 2")].concat())
            .await;
        server.expect(&ahead).await;
        // The first answer does not let the query behind the COPY through.
        server
            .send(&[complete("SELECT 1"), ready('I')].concat())
            .await;
        assert_eq!(client.kinds_to('Z').await, "CZ");
        assert!(server.quiet().await);
        server.send(&message(b'G', TEXT_IN)).await;
        assert_eq!(client.message().await.0, b'G');
        assert_eq!(client.rest().await.first(), Some(&b'E'));
    })
    .await;
    assert!(served.is_err());
    assert_eq!(log.borrow().operations.len(), 2);
}

/// Sends COPY OUT data in the given pieces through a mask; gives what the client saw of it.
async fn copied(sql: &'static str, pieces: Vec<Vec<u8>>) -> Result<String, ServeError> {
    let seen = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let copy = std::rc::Rc::clone(&seen);
    let setting = Setting {
        masker: Some(masker()),
        ..Setting::default()
    };
    let (served, _) = session(setting, |mut client, mut server| async move {
        client.send(&query(sql)).await;
        server.expect(&query(sql)).await;
        server.send(&message(b'H', TEXT_IN)).await;
        for piece in pieces {
            server.send(&data(&piece)).await;
        }
        server
            .send(&[message(b'c', b""), complete("COPY 2"), ready('I')].concat())
            .await;
        loop {
            match client.message().await {
                (b'd', body) => copy.borrow_mut().extend(body),
                (b'Z' | b'E', _) => break,
                _ => {}
            }
        }
    })
    .await;
    served.map(|()| String::from_utf8(seen.take()).unwrap())
}

fn bytes_of(text: &str) -> Vec<Vec<u8>> {
    text.bytes().map(|byte| vec![byte]).collect()
}

#[tokio::test]
async fn lines_are_masked_the_same_wherever_they_are_cut() {
    for (sql, text, want) in [
        (
            "copy t (id, ssn, note) to stdout",
            "1\t123\tann@example.com is\\tit\n2\t\\N\t\\\\x\n",
            "1\t[redacted:column]\t[redacted:email] is\\\\tit\n",
        ),
        (
            "copy t (id, ssn) to stdout with (format csv, header)",
            "id,ssn\n1,\"1,\n2\"\n2,\n3,\"\"\"\"\n",
            "id,ssn\n1,\"[redacted:column]\"\n2,\n3,\"[redacted:column]\"\n",
        ),
        (
            "copy t (id, ssn) to stdout with csv delimiter ';' quote '''' escape '!'",
            "1;'a!'b;\n'\n2;c\n",
            "1;'[redacted:column]'\n2;'[redacted:column]'\n",
        ),
        (
            "copy t to stdout",
            "1\t2\n",
            "[redacted:column]\t[redacted:column]\n",
        ),
        (
            "copy t to stdout with csv header",
            "id,ssn\n1,2\n",
            "id,ssn\n1,\"[redacted:column]\"\n",
        ),
        // A name may hold anything, and is not known to be one.
        (
            "copy t to stdout with csv header",
            "id,\"for \"\"ann@example.com\"\"\"\n1,2\n",
            "id,\"for \"\"[redacted:email]\"\"\"\n1,2\n",
        ),
        (
            "copy t to stdout with (header)",
            "id\tann@example.com\r\n1\t2\n",
            "id\t[redacted:email]\\r\n1\t2\n",
        ),
        (
            "copy t (id) to stdout",
            "no newline at the end",
            "no newline at the end",
        ),
    ] {
        let whole = copied(sql, vec![text.as_bytes().to_vec()]).await.unwrap();
        let cut = copied(sql, bytes_of(text)).await.unwrap();
        assert_eq!(whole, cut, "{sql}");
        if sql.contains("note") {
            let lines: Vec<&str> = whole.lines().collect();
            assert_eq!(lines[0], "1\t[redacted:column]\t[redacted:email] is\\tit");
            assert_eq!(lines[1], "2\t\\N\t\\\\x");
        } else {
            assert_eq!(whole, want, "{sql}");
        }
    }
}

#[tokio::test]
async fn what_is_only_recorded_passes_as_it_came() {
    let setting = Setting {
        record: true,
        ..Setting::default()
    };
    let (served, log) = session(setting, |mut client, mut server| async move {
        client.send(&query("copy t to stdout")).await;
        server.expect(&query("copy t to stdout")).await;
        let answer = [
            message(b'H', TEXT_IN),
            data(b"1\n2"),
            data(b""),
            data(b"\n"),
            message(b'c', b""),
            complete("COPY 2"),
            ready('I'),
        ]
        .concat();
        server.send(&answer).await;
        client.expect(&answer).await;
    })
    .await;
    served.unwrap();
    assert_eq!(log.borrow().payload, b"1\n2\n");
}

#[tokio::test]
async fn a_copy_in_a_format_that_there_is_not_ends_the_flow() {
    let (served, _) = session(Setting::default(), |mut client, mut server| async move {
        client.send(&query("copy t to stdout")).await;
        server.expect(&query("copy t to stdout")).await;
        server.send(&message(b'H', &[2, 0, 0])).await;
        assert_eq!(client.rest().await.first(), Some(&b'E'));
    })
    .await;
    assert!(matches!(served, Err(ServeError::Upstream(_))));
}

#[tokio::test]
async fn binary_copy_on_a_masked_route_is_refused() {
    let setting = Setting {
        masker: Some(masker()),
        ..Setting::default()
    };
    let (served, log) = session(setting, |mut client, mut server| async move {
        client.send(&query("copy t to stdout with binary")).await;
        server.expect(&query("copy t to stdout with binary")).await;
        server.send(&message(b'H', &[1, 0, 1, 0, 1])).await;
        assert_eq!(client.rest().await.first(), Some(&b'E'));
    })
    .await;
    assert!(matches!(served, Err(ServeError::Undecodable(_))));
    assert_eq!(log.borrow().refusals, [sluice_flow::Cause::Undecodable]);
}

#[tokio::test]
async fn without_a_mask_any_format_passes_as_it_is() {
    session(Setting::default(), |mut client, mut server| async move {
        client.send(&query("copy t to stdout with binary")).await;
        server.expect(&query("copy t to stdout with binary")).await;
        let answer = [
            message(b'H', &[1, 0, 1, 0, 1]),
            data(&[0xff; 5000]),
            message(b'c', b""),
            complete("COPY 1"),
            ready('I'),
        ]
        .concat();
        server.send(&answer).await;
        client.expect(&answer).await;
    })
    .await
    .0
    .unwrap();
}
