//! The programs, where each is attached, and how their links outlive the daemon.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use aya::programs::links::{FdLink, LinkError};
use aya::programs::{CgroupAttachMode, CgroupSkbAttachType, Program, ProgramError, ProgramFd};
use aya::{Btf, Ebpf};

use crate::error::CaptureError;
use crate::link;

/// (program in the object, hook as people know it, tracepoint where it is one).
pub(crate) const HOOKS: [(&str, &str, Option<&str>); 15] = [
    ("sluice_fork", "fork", Some("sched_process_fork")),
    ("sluice_exec", "exec", Some("sched_process_exec")),
    ("sluice_exit", "exit", Some("sched_process_exit")),
    ("sluice_sent", "send", Some("sock_send_length")),
    ("sluice_egress", "egress", None),
    ("sluice_flow", "sock_ops", None),
    ("sluice_recvmsg4", "recvmsg4", None),
    ("sluice_recvmsg6", "recvmsg6", None),
    ("sluice_peer4", "getpeername4", None),
    ("sluice_peer6", "getpeername6", None),
    ("sluice_sendmsg4", "sendmsg4", None),
    ("sluice_sendmsg6", "sendmsg6", None),
    ("sluice_connect4", "connect4", None),
    ("sluice_connect6", "connect6", None),
    ("sluice_socket", "sock_create", None),
];

/// Hooks that some kernels have not; `sluice status` says so, and what it means.
const OPTIONAL: [&str; 1] = ["send"];

/// What `sluice status` shows of a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// As people know it: `connect4`, `fork`, ...
    pub name: &'static str,
    /// Whether this kernel has it.
    pub known: bool,
    /// Whether our link is there and acts.
    pub attached: bool,
    /// Id of the program in the link, as bpftool shows it; 0 when there is none.
    pub program: u32,
    /// Id of the link; 0 when there is none.
    pub link: u32,
}

/// A link of ours, held open so that nobody's unlink of the pin ends it.
pub(crate) struct Attached {
    name: &'static str,
    /// `None` where this kernel has no such hook.
    link: Option<OwnedFd>,
}

impl Attached {
    /// Makes it act no more. Links of tracepoints cannot be detached, only forgotten: those
    /// are kept from acting by `State::generation`.
    pub(crate) fn detach(&self) {
        if let Some(link) = &self.link {
            let _ = link::detach(link);
        }
    }

    /// What the kernel says of it now.
    pub(crate) fn hook(&self) -> Hook {
        let nothing = Hook {
            name: self.name,
            known: self.link.is_some(),
            attached: false,
            program: 0,
            link: 0,
        };
        match self.link.as_ref().map(link::state) {
            Some(Ok(state)) => Hook {
                attached: state.attached,
                program: state.program,
                link: state.id,
                ..nothing
            },
            Some(Err(_)) | None => nothing,
        }
    }
}

/// Loads all programs into the kernel; nothing is attached yet.
pub(crate) fn load(object: &mut Ebpf) -> Result<(), CaptureError> {
    let btf = Btf::from_sys_fs().map_err(CaptureError::refused("the kernel's BTF"))?;
    for (program, hook, tracepoint) in HOOKS {
        match load_one(found(object, program)?, tracepoint, &btf) {
            Ok(()) => {}
            // The tracepoint is not among the kernel's types.
            Err(ProgramError::Btf(_)) if OPTIONAL.contains(&hook) => {}
            Err(error) => {
                let what = format!("the program for {hook}");
                return Err(CaptureError::refused(what)(error));
            }
        }
    }
    Ok(())
}

fn load_one(
    program: &mut Program,
    tracepoint: Option<&str>,
    btf: &Btf,
) -> Result<(), ProgramError> {
    match (program, tracepoint) {
        (Program::CgroupSockAddr(program), None) => program.load(),
        (Program::CgroupSock(program), None) => program.load(),
        (Program::CgroupSkb(program), None) => program.load(),
        (Program::SockOps(program), None) => program.load(),
        (Program::BtfTracePoint(program), Some(name)) => program.load(name, btf),
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

/// Attaches all programs and pins their links in `pins`. A link that an earlier instance left
/// there gets the new program without a gap; tracepoint links cannot, so there the new one is
/// attached beside the old one, which `State::generation` keeps from acting, and replaces its pin.
pub(crate) fn attach(
    object: &mut Ebpf,
    cgroup_root: &Path,
    pins: &Path,
) -> Result<Vec<Attached>, CaptureError> {
    let root = File::open(cgroup_root).map_err(CaptureError::host(
        "could not open the root of cgroup v2",
        cgroup_root,
    ))?;
    let mut attached = Vec::with_capacity(HOOKS.len());
    for (name, hook, tracepoint) in HOOKS {
        let pin = pins.join(hook);
        let program = found(object, name)?;
        if OPTIONAL.contains(&hook) && program.fd().is_err() {
            attached.push(Attached {
                name: hook,
                link: None,
            });
            continue;
        }
        let why = || format!("to attach {hook}");
        let earlier = match tracepoint {
            None => taken_over(program, &pin).map_err(CaptureError::refused(why()))?,
            Some(_) => None,
        };
        let link = match earlier {
            Some(link) => link,
            None => {
                let fresh = attach_one(program, &root).map_err(CaptureError::refused(why()))?;
                pin_over(fresh, &pin).map_err(CaptureError::refused(why()))?
            }
        };
        attached.push(Attached {
            name: hook,
            link: Some(link),
        });
    }
    Ok(attached)
}

/// Puts the program into the pinned link, if there is one that is still attached.
fn taken_over(program: &Program, pin: &Path) -> io::Result<Option<OwnedFd>> {
    let Ok(link) = link::pinned(pin) else {
        return Ok(None);
    };
    if !link::state(&link)?.attached {
        return Ok(None);
    }
    let fd: &ProgramFd = program.fd().map_err(io::Error::other)?;
    link::update(&link, fd.as_fd())?;
    Ok(Some(link))
}

/// Pins a link, in the place of one that is pinned there already.
fn pin_over(fresh: FdLink, pin: &Path) -> io::Result<OwnedFd> {
    // bpffs refuses names with a dot.
    let beside = PathBuf::from(format!("{}-new", pin.display()));
    let _ = std::fs::remove_file(&beside);
    let pinned = fresh.pin(&beside).map_err(io::Error::other)?;
    let held = link::pinned(&beside)?;
    drop(pinned);
    std::fs::rename(&beside, pin)?;
    Ok(held)
}

fn attach_one(program: &mut Program, root: &File) -> Result<FdLink, AttachError> {
    // With bpf_link the kernel takes no flag; links are many by nature, and ours is one of them.
    let mode = CgroupAttachMode::Single;
    match program {
        Program::CgroupSockAddr(program) => {
            let id = program.attach(root, mode)?;
            Ok(program.take_link(id)?.try_into()?)
        }
        Program::CgroupSock(program) => {
            let id = program.attach(root, mode)?;
            Ok(program.take_link(id)?.try_into()?)
        }
        Program::CgroupSkb(program) => {
            let id = program.attach(root, CgroupSkbAttachType::Egress, mode)?;
            Ok(program.take_link(id)?.try_into()?)
        }
        Program::SockOps(program) => {
            let id = program.attach(root, mode)?;
            Ok(program.take_link(id)?.try_into()?)
        }
        Program::BtfTracePoint(program) => {
            let id = program.attach()?;
            Ok(program.take_link(id)?.into())
        }
        _ => Err(ProgramError::UnexpectedProgramType.into()),
    }
}

/// What aya says when it cannot attach.
#[derive(Debug, thiserror::Error)]
enum AttachError {
    #[error(transparent)]
    Program(#[from] ProgramError),
    #[error(transparent)]
    Link(#[from] LinkError),
}

fn found<'a>(object: &'a mut Ebpf, name: &str) -> Result<&'a mut Program, CaptureError> {
    object
        .program_mut(name)
        .ok_or_else(|| CaptureError::Kernel {
            what: format!("the program {name} in our own object"),
            do_next: "rebuild: cargo clean -p sluice-capture",
        })
}
