//! An event of the ring buffer is decoded whole or not at all, whatever its bytes: every text of it
//! is from the bytes, a path is absolute or says that its beginning is missing, and what is cut off
//! is no event.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_capture::decode;
use sluice_flow::kernel::{KernelEvent, Started};

/// How an event begins that tells of a process which ran already.
const ADOPTED: [u8; 4] = 5_u32.to_le_bytes();
/// Bytes of the longest head of an event, which is that of an exec.
const EXEC_HEAD: usize = 128;
/// Bytes by which an event may be longer than what it says: the ring buffer rounds up.
const ROUNDED: usize = 8;

fuzz_target!(|bytes: &[u8]| {
    match decode(bytes) {
        None => {}
        Some(KernelEvent::Lost(_)) => panic!("a loss is no event of the kernel"),
        // What /proc says is read anew each time.
        Some(KernelEvent::Started(_)) if bytes.starts_with(&ADOPTED) => {}
        Some(KernelEvent::Started(started)) => {
            image(&started, bytes);
            assert_eq!(decode(bytes), Some(KernelEvent::Started(started)));
        }
        Some(event) => {
            assert_eq!(decode(bytes).as_ref(), Some(&event));
            let cut = bytes.len().saturating_sub(ROUNDED);
            assert_eq!(decode(&bytes[..cut]), None);
        }
    }
});

fn image(started: &Started, bytes: &[u8]) {
    assert!(bytes.len() >= EXEC_HEAD);
    // A byte that is no UTF-8 becomes three, each component gets a slash, and the path of another
    // root its dots.
    let room = (bytes.len() - EXEC_HEAD) * 4 + 8;
    let argv: usize = started.argv.iter().map(String::len).sum();
    assert!(argv <= room && started.argv.len() <= bytes.len());
    assert!(started.exe.len() <= room && started.cwd.len() <= room);
    assert!(is_path(&started.cwd), "{}", started.cwd);
    assert!(
        started.exe.is_empty() || is_path(&started.exe),
        "{}",
        started.exe
    );
    assert!(!(started.root && started.found) || started.actor.ordinal == 1);
}

fn is_path(text: &str) -> bool {
    text.starts_with('/') || text.starts_with(".../") || text == "..."
}
