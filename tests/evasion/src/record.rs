use anyhow::Context as _;
use serde_json::Value;
use sluice_harness::Sluice;

/// The `refused` events of all sessions, oldest first.
///
/// # Errors
/// When they cannot be read.
pub fn refusals(sluice: &Sluice) -> anyhow::Result<Vec<Value>> {
    let mut found = Vec::new();
    for session in sluice.sessions()? {
        let events = sluice.events(&session)?;
        let refused = events
            .into_iter()
            .filter(|event| event["kind"] == "refused");
        found.extend(refused);
    }
    Ok(found)
}

/// The last of a session's lineage: the image that opened the flow.
///
/// # Errors
/// When there is none.
pub fn leaf(session: &Value) -> anyhow::Result<&Value> {
    session["lineage"]
        .as_array()
        .and_then(|lineage| lineage.last())
        .with_context(|| format!("no lineage: {session}"))
}
