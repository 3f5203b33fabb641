//! Every limit of this crate, by name. Sizes are bytes unless a name says otherwise.

/// Rules that one masker takes: what all layers of a policy add up to.
pub const MAX_RULES: usize = 256;
/// Detectors, columns or JSON keys that one rule names, each.
pub const MAX_ENTRIES_A_RULE: usize = 128;
/// Length of a rule's name.
pub const MAX_RULE_NAME: usize = 128;
/// Length of a column or JSON key pattern.
pub const MAX_GLOB: usize = 256;
/// Length of a custom expression.
pub const MAX_CUSTOM_REGEX: usize = 1024;
/// Custom expressions over all rules of a masker: each costs a pass over the stream.
pub const MAX_CUSTOM_REGEXES: usize = 32;
/// Memory that one compiled custom expression may take.
pub const MAX_CUSTOM_REGEX_SIZE: usize = 1 << 20;
/// Characters that [`crate::Strategy::Partial`] may keep.
pub const MAX_KEEP_LAST: u8 = 16;
/// A known secret shorter than this is refused: it would also mask harmless text everywhere.
pub const MIN_SECRET: usize = 6;
/// A known secret longer than this is refused: the stream would have to be held back for it.
pub const MAX_SECRET: usize = 8 * 1024;
/// Known secrets that one job may have.
pub const MAX_SECRETS: usize = 256;

/// The longest custom match that is certain to be found wherever it stands.
pub const CUSTOM_REACH: usize = 1024;
/// Bytes of a stream that a custom expression is run over at once, without its reach.
pub const CUSTOM_BLOCK: usize = 4096;
/// Bytes after its first byte that decide about a token; what is longer is masked to its end.
pub const TOKEN_WINDOW: usize = 2048;
/// Length of a JWT's header part, encoded.
pub const MAX_JWT_HEADER: usize = 2048;
/// Length of a JSON key; a longer one counts as named by every JSON key pattern.
pub const MAX_JSON_KEY: usize = 256;
/// Nesting of JSON; every value that is deeper is masked when JSON keys are named.
pub const MAX_JSON_DEPTH: u32 = 128;
/// Length of a JSON number or word that becomes a quoted mask; in a longer one, which no writer
/// makes, the mask stands without quotes.
pub const MAX_JSON_BARE: usize = 512;

/// Bytes that a stream is always behind: no match begins earlier than this before its anchor.
pub const HOLD: usize = 128;
/// Bytes of a chunk that are looked at in one go.
pub const PIECE: usize = 64 * 1024;
/// The most bytes that a stream masker holds between two calls: an encoded known secret is the
/// longest thing that must be seen whole before the first of its bytes is decided.
pub const CARRY: usize = HOLD + 6 * MAX_SECRET;
