//! Everything that a peer can make large or long, by name.

use std::time::Duration;

/// Flows that are open at once; one more is reset and counted (`flows_over_limit`).
pub const MAX_FLOWS: usize = 16_384;

/// Bytes that are looked at to tell the protocol.
pub const MAX_PEEK: usize = 1024;

/// How long a client may be silent before its protocol counts as one in which the server
/// speaks first.
pub const FIRST_BYTES_WAIT: Duration = Duration::from_millis(400);

/// How long a server may take to accept a connection.
pub const DIAL_WAIT: Duration = Duration::from_secs(30);

/// Operations that wait for people at once, over all jobs; one more is refused.
pub const MAX_HELD: usize = 1_024;

/// Operations of one job that wait for people at once; one more is refused.
pub const MAX_HELD_PER_JOB: usize = 64;

/// Approvals that are remembered for a job or a flow; one more is not remembered.
pub const MAX_REMEMBERED: usize = 4_096;

/// Masked bytes of answers that one session's record keeps.
pub const MAX_RECORDED_PAYLOAD: u64 = 256 * 1024;

/// Characters of a statement, path or name that a record keeps; the digest is of all of it.
pub const MAX_RECORDED_TEXT: usize = 64 * 1024;

/// Addresses that one job's names are remembered for; a question beyond it is refused.
pub const MAX_NAMED_ADDRESSES: usize = 8_192;

/// Names that are remembered for one address.
pub const MAX_NAMES_PER_ADDRESS: usize = 16;

/// How long a flow waits for the files of its programs to be hashed, where a rule asks what is in
/// them; what is not by then is unknown. One flow of a job hashes at a time, the others wait.
pub const DIGEST_WAIT: Duration = Duration::from_secs(10);

/// Execs whose masked form one job keeps at hand.
pub const MAX_MASKED_EXECS: usize = 4_096;

/// Sets of mask rules that one job keeps compiled.
pub const MAX_COMPILED_MASKS: usize = 256;

/// DNS questions that are answered at once; one more is answered SERVFAIL.
pub const MAX_QUESTIONS: usize = 1_024;

/// DNS questions without a session that are recorded as refused one by one in a second, of a
/// job and of what belongs to none; more are counted (`refusals_not_recorded_one_by_one`).
pub const MAX_REFUSED_QUESTIONS_PER_SECOND: u32 = 200;

/// How long a client of DNS over TCP may be silent between two questions, take for one, and let
/// an answer wait (RFC 7766 section 6.2.3 leaves it to the server).
pub const NAMES_IDLE: Duration = Duration::from_secs(30);

/// How long an upstream resolver may take.
pub const RESOLVE_WAIT: Duration = Duration::from_secs(5);

/// Shortest time for which an answer ties a name to an address: clients keep addresses
/// longer than the records say.
pub const MIN_NAME_LIFETIME: Duration = Duration::from_secs(600);
