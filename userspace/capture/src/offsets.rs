//! Which members of kernel structs the programs read, resolved from the running kernel's BTF.

use crate::btf::Btf;
use crate::error::CaptureError;

/// Where the running kernel tells its types.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// (global of the programs, struct, member). The programs' side is `ebpf/programs/src/offsets.rs`.
pub(crate) const OFFSETS: [(&str, &str, &str); 31] = [
    ("TASK_GROUP_LEADER", "task_struct", "group_leader"),
    ("TASK_START_BOOTTIME", "task_struct", "start_boottime"),
    ("TASK_TGID", "task_struct", "tgid"),
    ("TASK_PID", "task_struct", "pid"),
    ("TASK_EXIT_CODE", "task_struct", "exit_code"),
    ("TASK_SIGNAL", "task_struct", "signal"),
    ("TASK_MM", "task_struct", "mm"),
    ("TASK_FS", "task_struct", "fs"),
    ("TASK_CRED", "task_struct", "cred"),
    ("CRED_USER_NS", "cred", "user_ns"),
    ("USER_NS_LEVEL", "user_namespace", "level"),
    ("SIGNAL_LIVE", "signal_struct", "live"),
    ("MM_ARG_START", "mm_struct", "arg_start"),
    ("MM_ARG_END", "mm_struct", "arg_end"),
    ("BPRM_FILENAME", "linux_binprm", "filename"),
    ("BPRM_ARGC", "linux_binprm", "argc"),
    ("FS_PWD", "fs_struct", "pwd"),
    ("PATH_MNT", "path", "mnt"),
    ("PATH_DENTRY", "path", "dentry"),
    ("DENTRY_PARENT", "dentry", "d_parent"),
    ("DENTRY_NAME", "dentry", "d_name"),
    ("QSTR_NAME", "qstr", "name"),
    ("VFSMOUNT_ROOT", "vfsmount", "mnt_root"),
    ("MOUNT_MNT", "mount", "mnt"),
    ("MOUNT_PARENT", "mount", "mnt_parent"),
    ("MOUNT_MOUNTPOINT", "mount", "mnt_mountpoint"),
    ("SOCK_OWNED", "sock", "sk_lock.owned"),
    ("SOCK_TYPE", "sock", "sk_type"),
    ("SOCK_FAMILY", "sock", "__sk_common.skc_family"),
    ("SOCK_SOCKET", "sock", "sk_socket"),
    ("SOCKET_FILE", "socket", "file"),
];

/// Resolves all of them, in the order of [`OFFSETS`], and last whether there is MPTCP.
pub(crate) fn resolve() -> Result<Vec<(&'static str, u64)>, CaptureError> {
    let blob = std::fs::read(VMLINUX).map_err(|_| CaptureError::Kernel {
        what: format!("its own type information ({VMLINUX})"),
        do_next: "use a kernel built with CONFIG_DEBUG_INFO_BTF, as distributions' are",
    })?;
    let btf = Btf::parse(&blob).ok_or_else(|| CaptureError::Kernel {
        what: format!("readable type information ({VMLINUX})"),
        do_next: "report this kernel's version: its BTF has a kind that is not known here",
    })?;
    let offsets = OFFSETS
        .iter()
        .map(|(global, of, member)| Ok((*global, find(&btf, of, member)?)));
    let mptcp = u64::from(btf.offset("mptcp_sock", "sk").is_some());
    offsets.chain([Ok(("MPTCP_KNOWN", mptcp))]).collect()
}

fn find(btf: &Btf<'_>, of: &str, member: &str) -> Result<u64, CaptureError> {
    btf.offset(of, member)
        .map(u64::from)
        .ok_or_else(|| CaptureError::Kernel {
            what: format!("the member {of}.{member}"),
            do_next: "report this kernel's version: the struct has changed",
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_kernel_has_them_all() {
        match std::fs::metadata(VMLINUX) {
            Ok(_) => assert_eq!(resolve().unwrap().len(), OFFSETS.len() + 1),
            Err(e) => println!("skipped: {VMLINUX}: {e}"),
        }
    }

    #[test]
    fn a_missing_member_is_named() {
        let blob = crate::btf::tests::one_struct("task_struct", "tgid");
        let btf = Btf::parse(&blob).unwrap();
        assert!(find(&btf, "task_struct", "tgid").is_ok());
        let error = find(&btf, "task_struct", "pid").unwrap_err().to_string();
        assert!(error.contains("task_struct.pid"), "{error}");
    }
}
