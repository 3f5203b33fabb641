//! SET and RESET: which settings change what later statements mean.

use sluice_flow::Effect;

use super::commands::Cursor;
use super::lexer::{Kind, Token};
use super::model::Analysed;

/// What setting a run-time parameter leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    /// It changes how answers look or how long they take.
    Harmless,
    /// It changes where unqualified names are looked for.
    SearchPath,
    /// It changes how the bytes of later statements are read.
    Lexing,
    /// It changes what the server lets through, or something that is not known here.
    Power,
}

const HARMLESS: &[&str] = &[
    "application_name",
    "array_nulls",
    "backend_flush_after",
    "bytea_output",
    "check_function_bodies",
    "client_connection_check_interval",
    "client_min_messages",
    "commit_delay",
    "constraint_exclusion",
    "cpu_index_tuple_cost",
    "cpu_operator_cost",
    "cpu_tuple_cost",
    "cursor_tuple_fraction",
    "datestyle",
    "deadlock_timeout",
    "default_statistics_target",
    "default_table_access_method",
    "default_tablespace",
    "default_text_search_config",
    "default_toast_compression",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "effective_cache_size",
    "effective_io_concurrency",
    "escape_string_warning",
    "exit_on_error",
    "extra_float_digits",
    "from_collapse_limit",
    "geqo",
    "gin_fuzzy_search_limit",
    "gin_pending_list_limit",
    "hash_mem_multiplier",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "intervalstyle",
    "jit",
    "join_collapse_limit",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lock_timeout",
    "maintenance_work_mem",
    "max_parallel_maintenance_workers",
    "max_parallel_workers",
    "max_parallel_workers_per_gather",
    "parallel_leader_participation",
    "parallel_setup_cost",
    "parallel_tuple_cost",
    "plan_cache_mode",
    "quote_all_identifiers",
    "random_page_cost",
    "row_security",
    "seed",
    "seq_page_cost",
    "statement_timeout",
    "synchronize_seqscans",
    "synchronous_commit",
    "temp_buffers",
    "temp_tablespaces",
    "timezone",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_keepalives_count",
    "tcp_user_timeout",
    "transaction_deferrable",
    "transaction_isolation",
    "transaction_read_only",
    "transaction_timeout",
    "vacuum_cost_delay",
    "work_mem",
    "xmlbinary",
    "xmloption",
];

/// What setting `name` to `value` leads to. `None`: the value is not known.
pub(crate) fn setting(name: &str, value: Option<&str>) -> Setting {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "search_path" => match value {
            // pg_catalog named somewhere else than first: the server's functions can be hidden.
            Some(path) if path.to_ascii_lowercase().contains("pg_catalog") => Setting::Power,
            Some(_) => Setting::SearchPath,
            None => Setting::Power,
        },
        "client_encoding" if value.is_some_and(reads_as_ascii) => Setting::Harmless,
        "standard_conforming_strings" if value.is_some_and(is_on) => Setting::Harmless,
        "client_encoding" | "standard_conforming_strings" => Setting::Lexing,
        name if HARMLESS.binary_search(&name).is_ok() || name.starts_with("enable_") => {
            Setting::Harmless
        }
        _ => Setting::Power,
    }
}

/// Whether a client encoding keeps ASCII bytes for ASCII characters, and is one of the two
/// in which texts are read here: in any other a name could be misread.
pub(crate) fn reads_as_ascii(encoding: &str) -> bool {
    let plain: String = encoding
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    matches!(
        plain.to_ascii_lowercase().as_str(),
        "utf8" | "unicode" | "sqlascii"
    )
}

fn is_on(value: &str) -> bool {
    matches!(
        value.to_ascii_lowercase().as_str(),
        "on" | "true" | "yes" | "1"
    )
}

/// Notes a change of a setting in what is known of a statement.
pub(crate) fn apply(setting: Setting, analysed: &mut Analysed) {
    let effect = match setting {
        Setting::Harmless => Effect::Read,
        Setting::SearchPath => {
            analysed.moves_search_path = true;
            Effect::Read
        }
        Setting::Lexing => {
            analysed.changes_lexing = true;
            Effect::Unknown
        }
        Setting::Power => Effect::Admin,
    };
    analysed.statement.effect = analysed.statement.effect.max(effect);
}

/// `SET ..`, behind the verb.
pub(crate) fn set(words: &mut Cursor<'_>) -> Analysed {
    let mut analysed = Analysed::plain("set", Effect::Read);
    let first = words.take_word(&["session", "local"]);
    if first == Some("session") && words.peek_word(&["authorization", "characteristics"]) {
        if words.peek_word(&["authorization"]) {
            analysed.statement.effect = Effect::Admin;
            "set session authorization".clone_into(&mut analysed.statement.kind);
        }
        return analysed;
    }
    match words.take_word(&[
        "role",
        "transaction",
        "constraints",
        "time",
        "names",
        "schema",
        "xml",
    ]) {
        Some("role") => {
            analysed.statement.effect = Effect::Admin;
            "set role".clone_into(&mut analysed.statement.kind);
        }
        Some("names") => apply(
            setting("client_encoding", value(words.rest()).as_deref()),
            &mut analysed,
        ),
        Some("schema") => apply(
            setting("search_path", value(words.rest()).as_deref()),
            &mut analysed,
        ),
        Some(_) => {}
        None => assignment(words, &mut analysed),
    }
    analysed
}

/// `name {TO | =} value`.
fn assignment(words: &mut Cursor<'_>, analysed: &mut Analysed) {
    let Some(name) = words.qualified_name() else {
        analysed.statement.effect = Effect::Unknown;
        return;
    };
    if !words.take("=") && words.take_word(&["to"]).is_none() {
        analysed.statement.effect = Effect::Unknown;
        return;
    }
    apply(setting(&name, value(words.rest()).as_deref()), analysed);
}

/// The value: words, names and strings, joined by commas. `None` when it is anything else.
fn value(tokens: &[Token]) -> Option<String> {
    let mut value = String::new();
    for token in tokens {
        match token.kind {
            Kind::Word | Kind::Quoted | Kind::Text | Kind::Number => value.push_str(&token.text),
            Kind::Punctuation if token.text == "," => value.push(','),
            Kind::Operator if matches!(token.text.as_str(), "-" | "+") => {
                value.push_str(&token.text);
            }
            Kind::Bits | Kind::Parameter | Kind::Operator | Kind::Punctuation => return None,
        }
    }
    // DEFAULT is what the session started with, and how it was read then is known.
    Some(value)
}

/// `RESET ..`: back to what the session started with.
pub(crate) fn reset(words: &mut Cursor<'_>) -> Analysed {
    let mut analysed = Analysed::plain("reset", Effect::Read);
    // A setting is a name, and so may be quoted and in any case.
    let name = words.name().unwrap_or_default().to_ascii_lowercase();
    match name.as_str() {
        "" => analysed.statement.effect = Effect::Unknown,
        "role" | "session" | "session_authorization" => analysed.statement.effect = Effect::Admin,
        // It may undo what a rule relied on only if it was changed before, which was judged.
        _ => analysed.moves_search_path = matches!(name.as_str(), "search_path" | "all"),
    }
    analysed
}

/// Notes a setting that came in another way than by SET, such as in a startup packet.
pub fn settings_effect(name: &str, value: &str, analysed: &mut Analysed) {
    apply(setting(name, Some(value)), analysed);
}
