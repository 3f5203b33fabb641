//! The state of one session, as both directions see it.

use std::collections::VecDeque;

use sluice_flow::{Effect, Operation, Pass, SqlMessage, Statement};
use sluice_masking::Hits;

use crate::sql::{Acts, Analysed, Output, ParseCache};

use super::cancels::{Cancels, Registration};
use super::copy_rows::CopyRows;
use super::masks::{Masking, RowPlan};
use super::names::{ChangeKind, Names, Pipeline, Statements};
use super::resolve::Certainty;

/// What a session needs from outside.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// Analyses of statements, shared by the sessions of a thread or more.
    pub cache: &'a ParseCache,
    /// Sessions that can be cancelled, shared by all flows.
    pub cancels: &'a Cancels,
    /// Whether any mask rule that may apply names columns. When it does, a value that may be
    /// made from any column (a whole row, a function's result, COPY without a column list)
    /// is not shown; say `true` when not sure.
    pub columns_masked: bool,
}

/// An answer of the server that is waited for, in order.
pub(crate) enum Expected {
    /// ParseComplete.
    Parse,
    /// BindComplete.
    Bind,
    /// CloseComplete.
    Close(ChangeKind),
    /// ParameterDescription, then RowDescription or NoData.
    DescribeStatement,
    /// RowDescription or NoData.
    DescribePortal,
    /// The same, asked by the gate for itself.
    OurDescribe,
    /// What Execute or Query brings.
    Run(Box<Run>),
    /// FunctionCallResponse, then ReadyForQuery.
    Function(Pass),
    /// ReadyForQuery.
    Sync,
    /// Where the client's CopyDone stands among its messages; no answer.
    CopyEnd,
    /// An error, which the client sees as this refusal.
    Refused {
        /// The ErrorResponse for the client.
        answer: Vec<u8>,
        /// It stands for a simple query: ReadyForQuery follows.
        simple: bool,
    },
    /// ReadyForQuery behind a refused simple query.
    RefusedReady,
}

/// The rows and tags of one Execute or Query.
pub(crate) struct Run {
    pub(crate) simple: bool,
    pub(crate) statements: Statements,
    /// How many of the statements were completed.
    pub(crate) at: usize,
    pub(crate) pass: Pass,
    pub(crate) masking: Option<Masking>,
    pub(crate) plan: Option<RowPlan>,
    pub(crate) copy_out: Option<CopyRows>,
    pub(crate) rows: u64,
    pub(crate) tags: Vec<String>,
    pub(crate) hits: Hits,
    pub(crate) failed: bool,
}

impl Run {
    /// The statement that runs now; `None` beyond what was told apart.
    pub(crate) fn statement(&self) -> Option<&Analysed> {
        match &*self.statements {
            // A message that could not be cut may hold any number of statements.
            [one] if one.statement.effect == Effect::Unknown => Some(one),
            statements => statements.get(self.at),
        }
    }

    /// What it answers with.
    pub(crate) fn output(&self) -> &Output {
        match self.statement() {
            Some(statement) => &statement.output,
            None => &Output::Unknown,
        }
    }

    /// Whether its rows are looked at, and not only passed on.
    pub(crate) fn is_looked_at(&self) -> bool {
        self.masking.is_some() || self.pass.record_payload
    }
}

/// Whether a statement may make the server ask for COPY data.
pub(crate) fn may_copy_in(statement: &Analysed) -> bool {
    matches!(statement.acts, Acts::CopiesIn)
        || (statement.statement.effect == Effect::Unknown
            && matches!(statement.statement.kind.as_str(), "copy" | "unknown"))
}

/// Where the client is in sending COPY data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CopyIn {
    /// No statement that may ask for data runs.
    No,
    /// One runs; the server has not asked yet.
    Possible,
    /// The server asked.
    Active,
}

/// How far the session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Between the startup packet and the first ReadyForQuery.
    Authenticating,
    /// Queries may come.
    Ready,
}

/// One session.
pub(crate) struct Session<'a> {
    pub(crate) facts: Facts<'a>,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) phase: Phase,
    /// The server has asked for a password or the like, and goes on only when it comes.
    pub(crate) asked_to_authenticate: bool,
    pub(crate) names: Names,
    pub(crate) certain: Certainty,
    pub(crate) pipeline: Pipeline,
    pub(crate) expected: VecDeque<Expected>,
    /// Transaction status of the last ReadyForQuery: `I`, `T` or `E`.
    pub(crate) status: u8,
    pub(crate) copy_in: CopyIn,
    /// Messages up to the next Sync are dropped: one was refused, or the server failed.
    pub(crate) skipping: bool,
    /// Messages of the extended protocol went to the server since the last Sync.
    pub(crate) unsynced: bool,
    /// Bytes for the server.
    pub(crate) up: Vec<u8>,
    /// Bytes for the client.
    pub(crate) down: Vec<u8>,
    /// How many of the next bytes of the client pass, or are dropped, without a look.
    pub(crate) up_passing: usize,
    pub(crate) up_dropping: usize,
    /// How many of the next bytes of the server pass without a look.
    pub(crate) down_passing: usize,
    /// A notice for the client, to be sent between two messages.
    pub(crate) notice: Option<String>,
    pub(crate) registration: Option<Registration>,
    /// The masks of the last operation, for what comes unasked.
    pub(crate) last_masking: Option<Masking>,
    pub(crate) last_operation: u64,
}

impl<'a> Session<'a> {
    /// A session that has sent its startup packet.
    pub(crate) fn new(facts: Facts<'a>, user: &str, database: &str) -> Self {
        Self {
            facts,
            database: database.to_owned(),
            user: user.to_owned(),
            phase: Phase::Authenticating,
            asked_to_authenticate: false,
            names: Names::default(),
            certain: Certainty {
                lexing: true,
                search_path: true,
            },
            pipeline: 0,
            expected: VecDeque::new(),
            status: b'I',
            copy_in: CopyIn::No,
            skipping: false,
            unsynced: false,
            up: Vec::new(),
            down: Vec::new(),
            up_passing: 0,
            up_dropping: 0,
            down_passing: 0,
            notice: None,
            registration: None,
            last_masking: None,
            last_operation: 0,
        }
    }

    /// The operation that statements are judged as.
    pub(crate) fn operation(&self, via: &str, statements: Vec<Statement>) -> Operation {
        Operation::Postgres(SqlMessage {
            via: via.to_owned(),
            statements,
            database: self.database.clone(),
            user: self.user.clone(),
        })
    }

    /// The masks that a permission brings; `None` when nothing is masked.
    pub(crate) fn masking(&self, pass: &Pass) -> Option<Masking> {
        let masker = pass.masker.as_ref().filter(|masker| !masker.is_empty())?;
        Some(Masking {
            masker: std::sync::Arc::clone(masker),
            columns: self.facts.columns_masked,
        })
    }

    /// The run of a permission.
    pub(crate) fn run(&mut self, simple: bool, statements: Statements, pass: Pass) -> Expected {
        let masking = self.masking(&pass);
        self.last_masking.clone_from(&masking);
        self.last_operation = pass.operation;
        Expected::Run(Box::new(Run {
            simple,
            statements,
            at: 0,
            pass,
            masking,
            plan: None,
            copy_out: None,
            rows: 0,
            tags: Vec::new(),
            hits: Hits::new(),
            failed: false,
        }))
    }
}
