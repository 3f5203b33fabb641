//! How large a policy may be. Each limit is an error of the policy with its place, and has a
//! test at it.

/// Bytes of one policy or case file.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;

/// Files of one set.
pub const MAX_FILES: usize = 256;

/// How deep mappings and lists may stand in one another.
pub const MAX_NESTING: usize = 16;

/// Values, mappings and lists of one file.
pub const MAX_NODES: usize = 200_000;

/// Rules of one policy.
pub const MAX_RULES: usize = 4096;

/// Masks of one policy.
pub const MAX_MASKS: usize = 128;

/// Values of one list.
pub const MAX_LIST: usize = 256;

/// Bytes of one glob.
pub const MAX_GLOB_BYTES: usize = 1024;

/// Bytes of a glob between its first and its last wildcard; what bounds the work of a match
/// to one pass over the text.
pub const MAX_GLOB_MIDDLE: usize = 120;

/// Bytes of the name of a policy, a rule or a mask.
pub const MAX_NAME_BYTES: usize = 64;

/// Bytes of a message.
pub const MAX_MESSAGE_BYTES: usize = 512;

/// Errors that are collected before reading stops.
pub const MAX_ERRORS: usize = 100;

/// The longest an approval may be waited for, seconds.
pub const MAX_APPROVAL_SECONDS: u64 = 24 * 60 * 60;

/// The most people an approval may need.
pub const MAX_APPROVERS: u32 = 16;

/// The longest that records may be kept, days.
pub const MAX_KEEP_DAYS: u64 = 3660;

/// Cases of one case file.
pub const MAX_CASES: usize = 2048;

/// Views of one flow, by the name that its operations claim, that are kept at once.
pub(crate) const MAX_VIEWS: usize = 4;
