//! Which of the server's own functions are known to be harmless.

use std::collections::HashSet;
use std::sync::LazyLock;

use sluice_flow::Effect;

/// Names of pg_catalog functions all of whose forms are immutable or stable (`pg_proc` of
/// PostgreSQL 15, and what 16 to 18 added), without those that run SQL given as text or
/// read tables given by name, and with a few volatile ones that only tell something
/// (`random`, `pg_table_size`) or wait (`pg_sleep`).
static HARMLESS: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("functions.txt").split_whitespace().collect());

/// What calling a function does. `schema` is `None` where the name came without one.
pub(crate) fn effect(schema: Option<&str>, name: &str) -> Effect {
    match (schema, name) {
        (None | Some("pg_catalog"), name) if HARMLESS.contains(name) => Effect::Read,
        (Some("information_schema"), "_pg_expandarray") => Effect::Read,
        (None | Some("pg_catalog"), name) => changing(name),
        (Some(_), _) => Effect::Unknown,
    }
}

/// Effects of the server's functions that change something known.
fn changing(name: &str) -> Effect {
    match name {
        "nextval" | "setval" | "pg_notify" => Effect::Write,
        _ if name.starts_with("pg_advisory_") || name.starts_with("pg_try_advisory_") => {
            Effect::Write
        }
        "pg_terminate_backend"
        | "pg_cancel_backend"
        | "pg_reload_conf"
        | "pg_promote"
        | "pg_rotate_logfile"
        | "pg_switch_wal"
        | "pg_ls_dir"
        | "pg_stat_file"
        | "pg_ls_logdir"
        | "pg_ls_waldir"
        | "pg_ls_tmpdir"
        | "pg_ls_archive_statusdir" => Effect::Admin,
        _ if name.starts_with("pg_read_") || name.starts_with("pg_stat_reset") => Effect::Admin,
        _ => Effect::Unknown,
    }
}

/// The name of a column that may be a call in attribute notation (`t.f` is `f(t)`; chapter
/// 8.16.5): one of the server's own functions that is not harmless.
pub(crate) fn may_be_call(column: &str) -> bool {
    let known = [
        "nextval", "setval", "ts_stat", "lowrite", "loread", "system",
    ]
    .contains(&column)
        || ["lo_", "pg_", "dblink", "binary_upgrade_"]
            .iter()
            .any(|prefix| column.starts_with(prefix))
        || column.contains("_to_xml");
    known && !HARMLESS.contains(column)
}
