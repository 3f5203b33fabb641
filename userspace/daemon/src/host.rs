//! What of the host the gate needs to know: its own key, its blind spots.

use std::path::Path;

use anyhow::Context as _;

/// What this version cannot enforce on any kernel: said loudly, never left silently open.
pub(crate) const NOT_ENFORCED: [(&str, &str); 4] = [
    (
        "packet, vsock and netlink sockets of root",
        "no cgroup hook sees them, made in the job or handed in; set RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX on the runner's unit",
    ),
    (
        "unix sockets (docker.sock, D-Bus)",
        "what a local service does for a job is not the job's flow; keep docker.sock away from jobs",
    ),
    (
        "what is inside TLS",
        "it is opaque: refused, unless a rule allows it by name and port; then bytes are counted, not read",
    ),
    (
        "root of the host",
        "a job with root can detach the hooks; it is detected here, not prevented; run jobs as a user",
    ),
];

/// What it means that the running kernel has not one of our hooks.
pub(crate) fn lacking(hook: &str) -> String {
    match hook {
        "send" => "this kernel (before 6.3) has no tracepoint sock_send_length: what a job queues \
                   (MSG_MORE) on a TCP connection that was handed to it is not seen; let nothing \
                   outside a job give it connections"
            .to_owned(),
        _ => "this kernel has no such hook".to_owned(),
    }
}

/// The host's key for hashes and tokens, made once.
pub(crate) fn mask_key(path: &Path) -> anyhow::Result<[u8; 32]> {
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut key = [0; 32];
    match std::fs::File::open(path) {
        Ok(mut file) => {
            file.read_exact(&mut key)
                .with_context(|| format!("{} is cut", path.display()))?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let random =
                std::fs::File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut key));
            random.context("cannot read /dev/urandom")?;
            let mut options = std::fs::OpenOptions::new();
            let file = options.write(true).create_new(true).mode(0o600).open(path);
            let written = file.and_then(|mut file| file.write_all(&key));
            written.with_context(|| format!("cannot write {}", path.display()))?;
        }
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
    }
    Ok(key)
}
