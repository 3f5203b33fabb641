//! The corpus that is also fuzz seed: every transcript goes through the relay, cut anywhere,
//! with the same operations and the same bytes on the other side.

use std::path::PathBuf;

use crate::postgres::codec::header;

use super::wire::{Setting, greeting, masker, query, startup, with};

/// Every transcript of a folder, by name.
fn transcripts(kind: &str) -> Vec<(String, Vec<u8>)> {
    let folder = format!(
        "{}/../../tests/corpus/postgres/{kind}",
        env!("CARGO_MANIFEST_DIR")
    );
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
        .into_iter()
        .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()))
        .collect()
}

/// What the server gets of a client's bytes, and what was asked, in pieces of this size. The
/// server greets and says no more.
async fn sent_up(bytes: &[u8], piece: usize) -> (Vec<u8>, Vec<String>) {
    let got = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let copy = std::rc::Rc::clone(&got);
    let bytes = bytes.to_vec();
    let (_, log) = with(Setting::default(), |mut client, mut server| async move {
        for piece in bytes.chunks(piece) {
            client.send(piece).await;
            client.quiet_turns(4).await;
        }
        server.send(&greeting()).await;
        client.shut().await;
        server.shut_later().await;
        let rest = server.rest().await;
        copy.borrow_mut().extend(rest);
    })
    .await;
    let texts = log.borrow().texts();
    (got.take(), texts)
}

#[tokio::test(start_paused = true)]
async fn what_clients_say_is_understood_alike_at_every_cut() {
    for (name, bytes) in transcripts("frontend") {
        let whole = sent_up(&bytes, bytes.len()).await;
        if name.contains("-ssl-") {
            // Bytes together with a request for encryption are refused as they should be.
            assert!(whole.0.is_empty());
            continue;
        }
        for piece in [1, 2, 3, 7] {
            let cut = sent_up(&bytes, piece).await;
            assert_eq!(cut.1, whole.1, "{name} in pieces of {piece}");
            assert_eq!(cut.0, whole.0, "{name} in pieces of {piece}");
        }
    }
}

/// Bytes up to the end of the first ReadyForQuery.
fn length_of_greeting(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(head) = header(&bytes[at..]).unwrap() {
        at += head.frame();
        if head.kind == b'Z' {
            break;
        }
    }
    at
}

/// What a client gets of a server's bytes after it asked for something.
async fn sent_down(bytes: &[u8], piece: usize) -> Vec<u8> {
    let got = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let copy = std::rc::Rc::clone(&got);
    let bytes = bytes.to_vec();
    let setting = Setting {
        masker: Some(masker()),
        ..Setting::default()
    };
    with(setting, |mut client, mut server| async move {
        let asked = [
            startup(&["user", "ann"]),
            query("select a, ssn from people"),
        ];
        client.send(&asked.concat()).await;
        let (greeting, answers) = bytes.split_at(length_of_greeting(&bytes));
        for piece in greeting.chunks(piece) {
            server.send(piece).await;
            server.quiet_turns(4).await;
        }
        server.expect(&asked[0]).await;
        if greeting.last() == Some(&b'I') {
            server.expect(&asked[1]).await;
        }
        for piece in answers.chunks(piece) {
            server.send(piece).await;
            server.quiet_turns(4).await;
        }
        server.shut().await;
        let rest = client.rest().await;
        copy.borrow_mut().extend(rest);
    })
    .await
    .0
    .ok();
    got.take()
}

#[tokio::test(start_paused = true)]
async fn what_servers_say_is_understood_alike_at_every_cut() {
    for (name, bytes) in transcripts("backend") {
        let whole = sent_down(&bytes, bytes.len()).await;
        for piece in [1, 2, 3, 7] {
            let cut = sent_down(&bytes, piece).await;
            let shown = [&cut, &whole].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            assert_eq!(shown[0], shown[1], "{name} in pieces of {piece}");
        }
    }
}
