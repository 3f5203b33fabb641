//! What can be asked for. Ports may block, so every call of one leaves the runtime's threads.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Extension, Json, Router};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice_flow::ports::{JobRequest, JobTicket, Status};
use sluice_flow::{JobId, SessionId};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::caller::Caller;
use crate::limits::{BODY_TIMEOUT, MAX_BODY, MAX_REASON, TAIL_STEP};
use crate::peer::Peer;
use crate::problem::Problem;
use crate::server::Shared;
use crate::wire::{
    AnswerRequest, AnswerTaken, EndQuery, FilterQuery, PolicyInForce, TailPage, TailQuery,
};

type Ask = State<Arc<Shared>>;
type From = Extension<Caller>;

/// The routes of one connection, whose peer is `peer`.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/sessions", get(sessions))
        .route("/v1/sessions/{id}", get(events))
        .route("/v1/tail", get(tail))
        .route("/v1/approvals", get(approvals))
        .route("/v1/approvals/{id}", post(answer))
        .route("/v1/jobs", post(start_job))
        .route("/v1/jobs/{id}", delete(end_job))
        .route("/v1/reload", post(reload))
        .route("/v1/explain/{id}", get(explain))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), admit))
        .with_state(shared)
}

/// Decides who asks before anything of the request is looked at, and takes its body in.
async fn admit(
    State(shared): Ask,
    Extension(peer): Extension<Arc<Peer>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let caller =
        blocking(move || Caller::admit(&peer, &shared.ports.is_member, shared.admins.as_deref()))
            .await??;
    let (mut head, body) = request.into_parts();
    let body = whole_body(body).await?;
    head.extensions.insert(caller);
    Ok(next.run(Request::from_parts(head, Body::from(body))).await)
}

async fn whole_body(body: Body) -> Result<Bytes, Problem> {
    let collected = timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await;
    match collected {
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            format!(
                "the body did not arrive within {} s",
                BODY_TIMEOUT.as_secs()
            ),
        )),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is over the limit of {MAX_BODY} bytes"),
        )),
        Ok(Err(error)) => Err(Problem::unclear(format!("the body broke off: {error}"))),
        Ok(Ok(body)) => Ok(body.to_bytes()),
    }
}

async fn status(State(shared): Ask, caller: From) -> Result<Json<Status>, Problem> {
    caller.administers()?;
    Ok(Json(blocking(move || shared.ports.control.status()).await?))
}

async fn sessions(
    State(shared): Ask,
    caller: From,
    query: Result<Query<FilterQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    caller.administers()?;
    let filter = clear_query(query)?.into();
    blocking(move || json_lines(&shared.ports.sessions.list(&filter)?)).await?
}

async fn events(
    State(shared): Ask,
    caller: From,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<Response, Problem> {
    caller.administers()?;
    let session = SessionId(clear_id(id)?);
    blocking(move || {
        let events = shared.ports.sessions.events(session)?;
        if events.is_empty() {
            return Err(Problem::no_such("session", session));
        }
        json_lines(&events)
    })
    .await?
}

/// There is no port that wakes a reader of the log, so a waiting request looks again.
async fn tail(
    State(shared): Ask,
    caller: From,
    query: Result<Query<TailQuery>, QueryRejection>,
) -> Result<Json<TailPage>, Problem> {
    caller.administers()?;
    let query = clear_query(query)?;
    let (most, mut from) = (query.most(), query.position);
    let deadline = Instant::now() + query.wait();
    loop {
        let sessions = Arc::clone(&shared.ports.sessions);
        let (events, position) = blocking(move || sessions.tail(from, most)).await??;
        if !events.is_empty() || Instant::now() >= deadline || *shared.going_down.borrow() {
            return Ok(Json(TailPage { position, events }));
        }
        from = position;
        sleep(TAIL_STEP).await;
    }
}

async fn approvals(State(shared): Ask, Extension(caller): From) -> Result<Response, Problem> {
    blocking(move || {
        let desk = &shared.ports.desk;
        let groups = desk.groups_of(&caller.person);
        let mut held = desk.held();
        held.retain(|held| caller.may_see(held, &groups));
        json_lines(&held)
    })
    .await?
}

/// Anybody may try: who may answer is in the policy, and the desk knows it.
async fn answer(
    State(shared): Ask,
    Extension(caller): From,
    id: Result<Path<Uuid>, PathRejection>,
    body: Bytes,
) -> Result<Json<AnswerTaken>, Problem> {
    let id = clear_id(id)?;
    let AnswerRequest { agree, reason } = clear_body(&body)?;
    if reason
        .as_ref()
        .is_some_and(|reason| reason.len() > MAX_REASON)
    {
        let error = format!("the reason is over the limit of {MAX_REASON} bytes");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, error));
    }
    let taken = blocking(move || {
        let desk = &shared.ports.desk;
        desk.answer(id, &caller.person, agree, reason.as_deref())
    });
    let remaining = taken.await??;
    Ok(Json(AnswerTaken { remaining }))
}

async fn start_job(
    State(shared): Ask,
    Extension(caller): From,
    body: Bytes,
) -> Result<Json<JobTicket>, Problem> {
    caller.administers()?;
    let request: JobRequest = clear_body(&body)?;
    let started = blocking(move || {
        let control = &shared.ports.control;
        control.start_job(request, &caller.person, caller.pid)
    });
    started.await?.map(Json).map_err(not_now)
}

async fn end_job(
    State(shared): Ask,
    caller: From,
    id: Result<Path<Uuid>, PathRejection>,
    query: Result<Query<EndQuery>, QueryRejection>,
) -> Result<StatusCode, Problem> {
    caller.administers()?;
    let job = JobId(clear_id(id)?);
    let grace: Duration = clear_query(query)?.grace();
    let ended = blocking(move || shared.ports.control.end_job(job, grace)).await?;
    ended.map(|()| StatusCode::NO_CONTENT).map_err(not_now)
}

async fn reload(State(shared): Ask, caller: From) -> Result<Json<Vec<PolicyInForce>>, Problem> {
    caller.administers()?;
    let policies = blocking(move || shared.ports.control.reload()).await?;
    let policies = policies.map_err(|errors| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, errors)
            .hint("the old policies stay in force")
    })?;
    let in_force = |(policy, digest)| PolicyInForce { policy, digest };
    Ok(Json(policies.into_iter().map(in_force).collect()))
}

async fn explain(
    State(shared): Ask,
    caller: From,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<String, Problem> {
    caller.administers()?;
    let session = SessionId(clear_id(id)?);
    let told = blocking(move || shared.ports.control.explain(session)).await?;
    told.map_err(|error| Problem::new(StatusCode::NOT_FOUND, error))
}

async fn unknown(request: Request) -> Problem {
    let path = request.uri().path();
    Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {path}"))
        .hint("`sluice --help` names what can be asked for")
}

async fn wrong_method(request: Request) -> Problem {
    let (method, path) = (request.method(), request.uri().path());
    let error = format!("{method} is not what {path} takes");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, error)
}

/// A port said no in one sentence that names what to do.
fn not_now(error: String) -> Problem {
    Problem::new(StatusCode::CONFLICT, error)
}

fn clear_id(id: Result<Path<Uuid>, PathRejection>) -> Result<Uuid, Problem> {
    let Path(id) = id.map_err(|rejection| {
        Problem::unclear(rejection.body_text()).hint("ids are whole here; `sluice` completes them")
    })?;
    Ok(id)
}

fn clear_query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::unclear(rejection.body_text()))?;
    Ok(query)
}

/// The content type is not asked for, so that `curl --data` works as it is.
fn clear_body<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::unclear(format!("the body: {error}")))
}

fn json_lines<T: Serialize>(items: &[T]) -> Result<Response, Problem> {
    let mut lines = Vec::new();
    for item in items {
        serde_json::to_writer(&mut lines, item).map_err(broken_inside)?;
        lines.push(b'\n');
    }
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, lines).into_response())
}

async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(call)
        .await
        .map_err(broken_inside)
}

fn broken_inside(error: impl std::fmt::Display) -> Problem {
    tracing::error!(%error, "API request failed inside");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        format!("failed inside the daemon: {error}"),
    )
}
