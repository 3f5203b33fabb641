//! The socket: who may connect how often, and the way down.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net as blocking;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nix::unistd::Group;
use sluice_flow::ports::{ApprovalDesk, Control, Sessions};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::caller::IsMember;
use crate::error::ApiError;
use crate::limits::{
    HEAD_TIMEOUT, MAX_CONNECTIONS, MAX_CONNECTIONS_OF_USER, MAX_HEAD, SHUTDOWN_GRACE,
};
use crate::peer::Peer;
use crate::routes::router;

/// How the API is served.
#[derive(Debug, Clone)]
pub struct ApiOptions {
    /// The socket; see [`crate::socket_path`]. Its directory must exist, and be open to
    /// approvers (mode 0711 at least).
    pub socket: PathBuf,
    /// Members of this group may ask for everything, as root may.
    pub admin_group: Option<String>,
}

/// What the API is a door to.
#[derive(Clone)]
pub struct Ports {
    /// The session log.
    pub sessions: Arc<dyn Sessions>,
    /// Held operations.
    pub desk: Arc<dyn ApprovalDesk>,
    /// The daemon.
    pub control: Arc<dyn Control>,
    /// Whether the process with this pid belongs to a job at present: it gets no answer.
    pub is_member: IsMember,
}

/// What every request sees.
pub(crate) struct Shared {
    pub(crate) ports: Ports,
    pub(crate) admins: Option<String>,
    pub(crate) going_down: watch::Receiver<bool>,
}

/// The API's socket, bound. Dropping it removes the socket.
#[must_use = "nothing is served before `run`"]
pub struct Server {
    listener: blocking::UnixListener,
    shared: Arc<Shared>,
    going_down: watch::Sender<bool>,
    socket: PathBuf,
}

impl Server {
    /// Makes the socket; connections wait in it until [`Server::run`].
    ///
    /// # Errors
    /// When another daemon answers there, when the socket cannot be made, or when the admin
    /// group does not exist.
    pub fn bind(options: ApiOptions, ports: Ports) -> Result<Self, ApiError> {
        let ApiOptions {
            socket,
            admin_group,
        } = options;
        if let Some(group) = &admin_group {
            let known = Group::from_name(group).ok().flatten();
            known.ok_or_else(|| ApiError::NoSuchGroup(group.clone()))?;
        }
        let listener = listen(&socket)?;
        let (going_down, watched) = watch::channel(false);
        let shared = Arc::new(Shared {
            ports,
            admins: admin_group,
            going_down: watched,
        });
        Ok(Self {
            listener,
            shared,
            going_down,
            socket,
        })
    }

    /// Serves until `shutdown` ends, then lets answers under way go out for a moment.
    ///
    /// # Errors
    /// When the socket cannot be given to the runtime.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), ApiError> {
        let listener = self
            .listener
            .try_clone()
            .and_then(UnixListener::from_std)
            .map_err(failed(&self.socket, "listen"))?;
        let router = router(Arc::clone(&self.shared));
        let seats = Seats::default();
        let mut connections = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => self.seat(stream, &seats, &router, &mut connections),
                    // Out of descriptors: waiting is better than a loop that burns a core.
                    Err(error) => {
                        tracing::warn!(%error, "API connection lost");
                        sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        }
        drop(listener);
        self.going_down.send_replace(true);
        let all = async { while connections.join_next().await.is_some() {} };
        let _ = timeout(SHUTDOWN_GRACE, all).await;
        Ok(())
    }

    fn seat(
        &self,
        stream: UnixStream,
        seats: &Seats,
        router: &Router,
        connections: &mut JoinSet<()>,
    ) {
        let peer = match Peer::of(&stream) {
            Ok(peer) => peer,
            Err(error) => {
                tracing::warn!(%error, "API connection without credentials closed");
                return;
            }
        };
        let Some(seat) = seats.take(peer.uid) else {
            tracing::warn!(uid = peer.uid, "too many API connections: one closed");
            return;
        };
        let router = router.clone().layer(Extension(Arc::new(peer)));
        let going_down = self.shared.going_down.clone();
        connections.spawn(async move {
            converse(stream, router, going_down).await;
            drop(seat);
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.socket);
    }
}

async fn converse(stream: UnixStream, router: Router, mut going_down: watch::Receiver<bool>) {
    let down = async move { going_down.wait_for(|down| *down).await.is_ok() };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = down => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "API connection ended badly");
    }
}

/// Binds the socket, in place of one that a daemon that is gone has left.
fn listen(path: &Path) -> Result<blocking::UnixListener, ApiError> {
    match blocking::UnixStream::connect(path) {
        Ok(_) => return Err(ApiError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed(path, "remove the stale socket"))?;
        }
        // Not there, or not a socket: bind tells.
        Err(_) => {}
    }
    let listener = blocking::UnixListener::bind(path).map_err(failed(path, "bind"))?;
    fs::set_permissions(path, Permissions::from_mode(0o666)).map_err(failed(path, "chmod"))?;
    listener
        .set_nonblocking(true)
        .map_err(failed(path, "set non-blocking"))?;
    Ok(listener)
}

fn failed<'a>(path: &'a Path, what: &'static str) -> impl FnOnce(io::Error) -> ApiError + 'a {
    move |source| ApiError::Socket {
        path: path.to_owned(),
        what,
        source,
    }
}

/// Connections open at present, by user.
#[derive(Clone, Default)]
pub(crate) struct Seats(Arc<Mutex<HashMap<u32, usize>>>);

/// One connection's place; given back when it is dropped.
pub(crate) struct Seat {
    seats: Seats,
    uid: u32,
}

impl Seats {
    /// A place for a connection of `uid`; root is only bound by the whole number.
    pub(crate) fn take(&self, uid: u32) -> Option<Seat> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let own = taken.get(&uid).copied().unwrap_or(0);
        if all >= MAX_CONNECTIONS || (uid != 0 && own >= MAX_CONNECTIONS_OF_USER) {
            return None;
        }
        taken.insert(uid, own + 1);
        Some(Seat {
            seats: self.clone(),
            uid,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.uid) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.remove(&self.uid);
            }
        }
    }
}
