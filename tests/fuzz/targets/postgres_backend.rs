//! What a server answers reaches the client as it came, or masked, in whole messages; a known
//! secret never comes through in a row, an error or a COPY; and the session ends.
//!
//! The input: how it is cut, what the gate says, how the session is set up (the constants below),
//! what the client says (one of `CLIENTS`), and what the server says, which does not wait to be
//! asked.
#![no_main]

use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use sluice_fuzz::Cuts;
use sluice_fuzz::postgres::{frames, greeting, script, startup};
use sluice_fuzz::session::{Log, ToldGate, quiet, run};
use sluice_masking::{MaskRule, Masker, Strategy};
use sluice_protocols::postgres::codec::{Broken, Frame, HEADER_BYTES, Reader, whole};
use sluice_protocols::postgres::{Cancels, Facts, serve};
use sluice_protocols::sql::ParseCache;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

/// The server's bytes are the input's own, greeting and all.
const RAW: u8 = 1;
/// Answers are masked.
const MASKED: u8 = 2;
/// Answers are recorded.
const RECORDED: u8 = 4;
/// Each message comes only when nothing moves any more.
const STEPS: u8 = 8;

const SECRET: &[u8] = b"hunter2-of-the-job";

/// Types without text in them whose values have room for it in binary (cidr, lseg, box, line,
/// circle, inet): nobody looks there.
const ROOMY: [u32; 6] = [601, 603, 628, 650, 718, 869];

/// What clients say, in the form of a script.
const CLIENTS: [&[u8]; 9] = [
    b"Qselect a, ssn from t\0\x1eX",
    b"Pq\0select * from t where a = $1\0\0\0\x1eDSq\0\x1eBp\0q\0\0\0\0\0\0\0\x1eDPp\0\x1eEp\0\0\0\0\0\x1eS\x1eX",
    b"P\0select ssn from t\0\0\0\x1eB\0\0\0\0\0\0\0\0\x1eE\0\0\0\0\0\x1eS\x1eQselect 1\0\x1eX",
    b"Qcopy t to stdout\0\x1eQcopy (select a, ssn from t) to stdout with csv\0\x1eX",
    b"Qselect 1; select ssn from t; show all\0\x1eX",
    b"Qcopy t from stdin\0\x1ed1\t2\n\x1ec\x1eX",
    b"Qdeclare c cursor for select ssn from t\0\x1eQfetch all from c\0\x1eCSq\0\x1eS\x1eX",
    b"F\0\0\0\x2a\0\0\0\0\0\0\x1eQlisten news\0\x1eQ\0\x1eX",
    b"Qcopy (select a, ssn from t) to stdout with csv header\0\x1eX",
];

static CACHE: LazyLock<ParseCache> = LazyLock::new(ParseCache::default);

static MASKER: LazyLock<Arc<Masker>> = LazyLock::new(|| {
    let rule = MaskRule {
        name: "people".to_owned(),
        detect: Vec::new(),
        columns: vec!["*.ssn".to_owned()],
        json_keys: Vec::new(),
        strategy: Strategy::Redact,
    };
    let secrets = [String::from_utf8_lossy(SECRET).into_owned()];
    Arc::new(Masker::compile(&[rule], &secrets, &[7; 32]).expect("the rule is right"))
});

fuzz_target!(|input: &[u8]| {
    let [cuts, told, how, client, said @ ..] = input else {
        return;
    };
    frames_alike(said, Cuts::new(*cuts));
    let said = if how & RAW == RAW {
        vec![said.to_vec()]
    } else {
        let mut all = vec![greeting()];
        all.extend(script(said));
        all
    };
    let masker = (how & MASKED == MASKED).then(|| Arc::clone(&MASKER));
    let gate = ToldGate {
        told: *told,
        masker: masker.clone(),
        record_payload: how & RECORDED == RECORDED,
        log: Log::default(),
    };
    let client = usize::from(*client) % CLIENTS.len();
    let asked = CLIENTS[client];
    let stream = said.concat();
    let heard = run(session(gate, asked, said, Cuts::new(*cuts), *how));
    if masker.is_some() {
        shows_no_secret(&heard, !describes_roomy(&stream));
    } else if *told == 0 {
        is_what_the_server_said(&stream, &heard);
    }
});

/// A message is asked for until it is whole, and never for more than it takes.
fn frames_alike(stream: &[u8], cuts: Cuts) {
    let limit = 2048;
    let first = whole(stream, limit);
    let mut end = 0;
    for chunk in cuts.of(stream) {
        match (whole(&stream[..end], limit), &first) {
            (Ok(Frame::Need(need)), Ok(Frame::Whole(head, _))) => {
                assert!(need > end && need <= head.frame());
            }
            (Ok(Frame::Need(need)), Ok(Frame::Need(_))) => assert!(need > end),
            (Ok(Frame::Need(need)), Err(_)) => assert!(need == HEADER_BYTES && end < need),
            (now, first) => assert_eq!(now, *first),
        }
        end += chunk.len();
    }
    if let Err(broken) = first {
        assert_eq!(broken.is_limit(), matches!(broken, Broken::TooLong { .. }));
    }
}

/// All that the client heard.
async fn session(
    mut gate: ToldGate,
    asked: &[u8],
    said: Vec<Vec<u8>>,
    cuts: Cuts,
    how: u8,
) -> Vec<u8> {
    let (near_client, far_client) = duplex(1 << 16);
    let (near_server, far_server) = duplex(1 << 16);
    let cancels = Cancels::default();
    let facts = Facts {
        cache: &CACHE,
        cancels: &cancels,
        columns_masked: how & MASKED == MASKED,
    };
    let log = Rc::clone(&gate.log);
    let (_, heard, ()) = tokio::join!(
        serve(near_client, near_server, &mut gate, &[], facts),
        client(far_client, asked),
        server(far_server, said, cuts, how),
    );
    assert!(log.borrow().len() <= 8, "more than the client asked");
    heard
}

async fn client(mut stream: DuplexStream, asked: &[u8]) -> Vec<u8> {
    let mut heard = Vec::new();
    let asked = [vec![startup()], script(asked)].concat().concat();
    if stream.write_all(&asked).await.is_ok() {
        let _ = stream.read_to_end(&mut heard).await;
    }
    heard
}

async fn server(stream: DuplexStream, said: Vec<Vec<u8>>, cuts: Cuts, how: u8) {
    let (mut from, mut to) = tokio::io::split(stream);
    let reads = async {
        let mut asked = Vec::new();
        let _ = from.read_to_end(&mut asked).await;
    };
    let writes = async {
        quiet().await;
        for message in said {
            for chunk in cuts.of(&message) {
                if to.write_all(chunk).await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
            if how & STEPS == STEPS {
                quiet().await;
            }
        }
        quiet().await;
        let _ = to.shutdown().await;
    };
    tokio::join!(reads, writes);
}

/// Byte for byte, up to where the gate ended it with an error of its own.
fn is_what_the_server_said(said: &[u8], heard: &[u8]) {
    let same = said.iter().zip(heard).take_while(|(a, b)| a == b).count();
    if same == heard.len() {
        return;
    }
    // The last message is the gate's: it may start as the server's next one does.
    let (whole, rest) = frames(heard);
    let (_, last, frame) = whole.last().expect("a message of the gate");
    assert!(
        rest.is_empty() && last.starts_with(b"SFATAL\0"),
        "{heard:?}"
    );
    assert!(same >= heard.len() - frame.len(), "{heard:?}");
}

/// Whether a description of rows has such a column in binary.
fn describes_roomy(said: &[u8]) -> bool {
    let (whole, _) = frames(said);
    let mut descriptions = whole.iter().filter(|(head, _, _)| head.kind == b'T');
    descriptions.any(|(_, body, _)| {
        let columns = columns(body).unwrap_or_default();
        columns
            .iter()
            .any(|(oid, format)| *format == 1 && ROOMY.contains(oid))
    })
}

/// Types and formats of a RowDescription's columns.
fn columns(body: &[u8]) -> Result<Vec<(u32, u16)>, Broken> {
    let mut reader = Reader::new(b'T', body);
    let mut columns = Vec::new();
    for _ in 0..reader.u16()? {
        reader.string()?;
        // Table and column.
        reader.take(4 + 2)?;
        let oid = reader.u32()?;
        // Size and modifier.
        reader.take(2 + 4)?;
        columns.push((oid, reader.u16()?));
    }
    Ok(columns)
}

/// In the messages that hold values: rows, COPY, and once an operation runs errors and notices;
/// before, nobody knows what is to be masked.
fn shows_no_secret(heard: &[u8], in_rows: bool) {
    let (whole, _) = frames(heard);
    let (mut copied, mut runs) = (Vec::new(), false);
    for (head, body, _) in whole {
        match head.kind {
            b'D' if in_rows => {
                let values = values(body).expect("a row that can be read");
                assert!(!values.into_iter().any(shows), "a row shows it");
            }
            b'd' => copied.extend_from_slice(body),
            b'E' | b'N' if runs => {
                let mut fields = body.split(|byte| *byte == 0);
                let shown = fields.any(|field| shows(field.get(1..).unwrap_or_default()));
                assert!(!shown, "a message shows it");
            }
            _ => {}
        }
        runs |= matches!(head.kind, b'D' | b'H' | b'C');
    }
    assert!(!shows(&copied), "COPY shows it");
}

fn shows(bytes: &[u8]) -> bool {
    bytes.windows(SECRET.len()).any(|window| window == SECRET)
}

fn values(body: &[u8]) -> Result<Vec<&[u8]>, Broken> {
    let mut reader = Reader::new(b'D', body);
    let mut values = Vec::new();
    for _ in 0..reader.u16()? {
        if let Some(length) = reader.length()? {
            values.push(reader.take(length)?);
        }
    }
    reader.end()?;
    Ok(values)
}
