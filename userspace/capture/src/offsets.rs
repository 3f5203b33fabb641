//! Which members of kernel structs the programs read, resolved from the running kernel's BTF.

use crate::btf::Btf;
use crate::error::CaptureError;

/// Where the running kernel tells its types.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// (global of the programs, struct, member). The programs' side is `ebpf/programs/src/offsets.rs`.
pub(crate) const OFFSETS: [(&str, &str, &str); 49] = [
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
    ("BPRM_FILE", "linux_binprm", "file"),
    ("FILE_INODE", "file", "f_inode"),
    ("INODE_NUMBER", "inode", "i_ino"),
    ("INODE_SUPER", "inode", "i_sb"),
    ("SUPER_DEVICE", "super_block", "s_dev"),
    ("SUPER_MAGIC", "super_block", "s_magic"),
    ("SUPER_GRANULARITY", "super_block", "s_time_gran"),
    ("SUPER_USER_NS", "super_block", "s_user_ns"),
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
    ("SOCK_PROTOCOL", "sock", "sk_protocol"),
    ("SOCK_LOCAL_V4", "sock", "__sk_common.skc_rcv_saddr"),
    ("SOCK_REMOTE_V4", "sock", "__sk_common.skc_daddr"),
    ("SOCK_LOCAL_V6", "sock", "__sk_common.skc_v6_rcv_saddr"),
    ("SOCK_REMOTE_V6", "sock", "__sk_common.skc_v6_daddr"),
    ("SOCK_LOCAL_PORT", "sock", "__sk_common.skc_num"),
    ("SOCK_REMOTE_PORT", "sock", "__sk_common.skc_dport"),
    ("SOCK_INTERFACE", "sock", "__sk_common.skc_bound_dev_if"),
    ("SOCK_NET", "sock", "__sk_common.skc_net.net"),
    ("NET_NUMBER", "net", "ns.inum"),
    ("SOCK_SOCKET", "sock", "sk_socket"),
    ("SOCKET_FILE", "socket", "file"),
];

/// The same for members that kernels call differently, the newest name first: since Linux 6.11,
/// since 6.6, and before.
pub(crate) const RENAMED: [(&str, &str, [&str; 3]); 2] = [
    (
        "INODE_CHANGED",
        "inode",
        ["i_ctime_sec", "__i_ctime.tv_sec", "i_ctime.tv_sec"],
    ),
    (
        "INODE_CHANGED_NANOS",
        "inode",
        ["i_ctime_nsec", "__i_ctime.tv_nsec", "i_ctime.tv_nsec"],
    ),
];

/// Resolves all of them, in the order of [`OFFSETS`] and [`RENAMED`], and last whether there is
/// MPTCP.
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
        .map(|(global, of, member)| Ok((*global, find(&btf, of, &[member])?)));
    let renamed = RENAMED
        .iter()
        .map(|(global, of, names)| Ok((*global, find(&btf, of, names)?)));
    let mptcp = u64::from(btf.offset("mptcp_sock", "sk").is_some());
    let mptcp = [Ok(("MPTCP_KNOWN", mptcp))];
    offsets.chain(renamed).chain(mptcp).collect()
}

/// Where the member is, by the first of its names that this kernel has.
fn find(btf: &Btf<'_>, of: &str, names: &[&str]) -> Result<u64, CaptureError> {
    names
        .iter()
        .find_map(|name| btf.offset(of, name))
        .map(u64::from)
        .ok_or_else(|| CaptureError::Kernel {
            what: format!("the member {of}.{}", names.join(" or ")),
            do_next: "report this kernel's version: the struct has changed",
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_kernel_has_them_all() {
        match std::fs::metadata(VMLINUX) {
            Ok(_) => assert_eq!(resolve().unwrap().len(), OFFSETS.len() + RENAMED.len() + 1),
            Err(e) => println!("skipped: {VMLINUX}: {e}"),
        }
    }

    #[test]
    fn a_missing_member_is_named() {
        let blob = crate::btf::tests::one_struct("task_struct", "tgid");
        let btf = Btf::parse(&blob).unwrap();
        for (names, found) in [
            (&["tgid"][..], true),
            (&["old_tgid", "tgid"], true),
            (&["pid"], false),
        ] {
            assert_eq!(find(&btf, "task_struct", names).is_ok(), found, "{names:?}");
        }
        let error = find(&btf, "task_struct", &["pid", "old_pid"]).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("task_struct.pid or old_pid"), "{error}");
    }
}
