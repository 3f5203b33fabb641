//! The client: what the `sluice` command asks with. One connection a request.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice_flow::ports::{Held, JobRequest, JobTicket, SessionFilter, Status};
use sluice_flow::session::ApprovalId;
use sluice_flow::{Event, JobId, SessionId, SessionSummary};
use tokio::net::UnixStream;

use crate::limits::{MAX_ANSWER, MAX_HEAD};
use crate::wire::{AnswerRequest, AnswerTaken, PolicyInForce, TailPage};
use crate::{Problem, socket_path};

/// Why the daemon did not answer, or what it answered instead.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no sluice daemon answers at {}", .0.display())]
    NotRunning(PathBuf),
    /// The socket, or its directory, is closed to this user.
    #[error("{} may not be used by this user", .0.display())]
    NoAccess(PathBuf),
    /// The daemon said no.
    #[error("{}", problem.error)]
    Refused {
        /// Status of the answer.
        status: u16,
        /// What it said.
        problem: Problem,
    },
    /// The connection or the answer is not what a daemon of this version sends.
    #[error("the daemon's answer to {asked}: {what}")]
    Broken {
        /// Method and path.
        asked: String,
        /// What is wrong with it.
        what: String,
    },
}

impl ClientError {
    /// Whether nobody listens: what to ask must then be read from the state directory.
    #[must_use]
    pub fn no_daemon(&self) -> bool {
        matches!(self, Self::NotRunning(_))
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotRunning(_) => Some(
                "start it with `sluice daemon`, or name its state directory with --state"
                    .to_owned(),
            ),
            Self::NoAccess(_) => Some("use sudo, or ask the host's owner".to_owned()),
            Self::Refused { problem, .. } => problem.hint.clone(),
            Self::Broken { .. } => {
                Some("client and daemon may differ in version: compare `sluice status`".to_owned())
            }
        }
    }
}

/// Asks the daemon of a state directory.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// Finds the daemon of a state directory.
    ///
    /// # Errors
    /// When none answers, or it may not be asked.
    pub async fn connect(state: &Path) -> Result<Self, ClientError> {
        let client = Self {
            socket: socket_path(state),
        };
        client.stream().await?;
        Ok(client)
    }

    /// The state of the gate, with a fresh probe.
    ///
    /// # Errors
    /// See [`ClientError`]; so for all that follow.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.json(Method::GET, "/v1/status", Bytes::new()).await
    }

    /// Sessions that match, oldest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn sessions(
        &self,
        filter: &SessionFilter,
    ) -> Result<Vec<SessionSummary>, ClientError> {
        let path = "/v1/sessions";
        let query = serde_urlencoded::to_string(filter).map_err(broken(path))?;
        self.lines(&format!("{path}?{query}")).await
    }

    /// The events of a session in order.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn events(&self, session: SessionId) -> Result<Vec<Event>, ClientError> {
        self.lines(&format!("/v1/sessions/{session}")).await
    }

    /// Events of all sessions from `position` on (`u64::MAX`: only the place behind the
    /// last); waits up to `wait`, in whole seconds, for some.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn tail(
        &self,
        position: u64,
        most: usize,
        wait: Duration,
    ) -> Result<TailPage, ClientError> {
        let wait = wait.as_secs();
        let path = format!("/v1/tail?position={position}&most={most}&wait={wait}");
        self.json(Method::GET, &path, Bytes::new()).await
    }

    /// Held operations that this user may see, oldest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn approvals(&self) -> Result<Vec<Held>, ClientError> {
        self.lines("/v1/approvals").await
    }

    /// Answers a held operation; gives how many more people it takes.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn answer(
        &self,
        id: ApprovalId,
        agree: bool,
        reason: Option<String>,
    ) -> Result<u32, ClientError> {
        let path = format!("/v1/approvals/{id}");
        let body = body(&path, &AnswerRequest { agree, reason })?;
        let taken: AnswerTaken = self.json(Method::POST, &path, body).await?;
        Ok(taken.remaining)
    }

    /// Asks for a job.
    ///
    /// # Errors
    /// See [`ClientError`]; nothing of the job may run then.
    pub async fn start_job(&self, request: &JobRequest) -> Result<JobTicket, ClientError> {
        let path = "/v1/jobs";
        self.json(Method::POST, path, body(path, request)?).await
    }

    /// Ends a job; waits at most `grace`, in whole seconds, for its flows.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn end_job(&self, job: JobId, grace: Duration) -> Result<(), ClientError> {
        let path = format!("/v1/jobs/{job}?grace={}", grace.as_secs());
        self.ask(Method::DELETE, &path, Bytes::new())
            .await
            .map(drop)
    }

    /// Has the policies read again; gives those in force.
    ///
    /// # Errors
    /// See [`ClientError`]; the old ones stay then.
    pub async fn reload(&self) -> Result<Vec<PolicyInForce>, ClientError> {
        self.json(Method::POST, "/v1/reload", Bytes::new()).await
    }

    /// Which rules decided the operations of a session, and why the others did not.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn explain(&self, session: SessionId) -> Result<String, ClientError> {
        let path = format!("/v1/explain/{session}");
        let text = self.ask(Method::GET, &path, Bytes::new()).await?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    async fn lines<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ClientError> {
        let answer = self.ask(Method::GET, path, Bytes::new()).await?;
        serde_json::Deserializer::from_slice(&answer)
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(broken(path))
    }

    async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        let answer = self.ask(method, path, body).await?;
        serde_json::from_slice(&answer).map_err(broken(path))
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, ClientError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "sluice")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(broken(path))?;
        let stream = TokioIo::new(self.stream().await?);
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .handshake(stream)
            .await
            .map_err(broken(path))?;
        let driven = tokio::spawn(connection);
        let answer = sender.send_request(request).await.map_err(broken(path))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER)
            .collect()
            .await
            .map_err(|error| ClientError::Broken {
                asked: path.to_owned(),
                what: error.to_string(),
            })?
            .to_bytes();
        driven.abort();
        if status.is_success() {
            Ok(body)
        } else {
            Err(refused(status, &body))
        }
    }

    async fn stream(&self) -> Result<UnixStream, ClientError> {
        let connected = UnixStream::connect(&self.socket).await;
        connected.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ClientError::NotRunning(self.socket.clone())
            }
            io::ErrorKind::PermissionDenied => ClientError::NoAccess(self.socket.clone()),
            _ => ClientError::Broken {
                asked: self.socket.display().to_string(),
                what: error.to_string(),
            },
        })
    }
}

/// What the daemon said; where it is no [`Problem`], the first of it as it is.
fn refused(status: StatusCode, body: &[u8]) -> ClientError {
    let problem = serde_json::from_slice(body).unwrap_or_else(|_| Problem {
        error: format!("the daemon answered {status}"),
        hint: None,
        status: status.as_u16(),
    });
    ClientError::Refused {
        status: status.as_u16(),
        problem,
    }
}

fn body<T: Serialize>(path: &str, of: &T) -> Result<Bytes, ClientError> {
    serde_json::to_vec(of)
        .map(Bytes::from)
        .map_err(broken(path))
}

fn broken<E: std::fmt::Display>(asked: &str) -> impl FnOnce(E) -> ClientError {
    let asked = asked.to_owned();
    move |error| ClientError::Broken {
        asked,
        what: error.to_string(),
    }
}
