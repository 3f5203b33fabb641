//! The HTTP server of the tests, and the policy that they share.

use sluice_harness::Sluice;

use crate::Script;

/// Reads and writes below `/open`, git below `/repo.git`, and nothing else.
pub const POLICY: &str = "version: 1
name: web
default: deny
rules:
  - name: reads
    what: { host: api.internal, http: { method: [GET, HEAD, POST, PUT], path: \"/open/**\" } }
    then: allow
  - name: git
    what: { host: api.internal, http: { method: [GET, POST], path: \"/repo.git/**\" } }
    then: allow
";

/// [`POLICY`] with answers masked.
#[must_use]
pub fn masked() -> String {
    format!(
        "{POLICY}mask:\n  - name: people\n    what: {{ host: api.internal }}\n    \
         detect: [email, credit_card, secret]\n    with: redact\nrecord: {{ payload: masked }}\n"
    )
}

/// Starts the server that says what it saw.
///
/// # Errors
/// When it does not come up.
pub fn serve(sluice: &Sluice) -> anyhow::Result<Script> {
    Script::serve(sluice, "web", include_str!("../peers/web.py"))
}

/// Where jobs find it.
#[must_use]
pub fn url(peer: &Script) -> String {
    format!("http://api.internal:{}", peer.port)
}
