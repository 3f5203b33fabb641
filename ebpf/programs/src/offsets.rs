//! Where members of kernel structs are: resolved from the running kernel's BTF by the loader,
//! because Rust has no CO-RE relocations. Each is a byte offset.

use aya_ebpf::Global;
use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use core::ffi::c_void;
use core::ptr::from_mut;

// table: one row an offset.
macro_rules! offsets {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $($(#[$doc])* #[unsafe(no_mangle)] pub static $name: Global<u64> = Global::new(0);)*
    };
}

offsets! {
    /// `task_struct.group_leader`
    TASK_GROUP_LEADER;
    /// `task_struct.start_boottime`
    TASK_START_BOOTTIME;
    /// `task_struct.tgid`
    TASK_TGID;
    /// `task_struct.pid`
    TASK_PID;
    /// `task_struct.exit_code`
    TASK_EXIT_CODE;
    /// `task_struct.signal`
    TASK_SIGNAL;
    /// `task_struct.mm`
    TASK_MM;
    /// `task_struct.fs`
    TASK_FS;
    /// `task_struct.cred`
    TASK_CRED;
    /// `cred.user_ns`
    CRED_USER_NS;
    /// `user_namespace.level`
    USER_NS_LEVEL;
    /// `signal_struct.live`
    SIGNAL_LIVE;
    /// `mm_struct.arg_start`
    MM_ARG_START;
    /// `mm_struct.arg_end`
    MM_ARG_END;
    /// `linux_binprm.filename`
    BPRM_FILENAME;
    /// `linux_binprm.argc`
    BPRM_ARGC;
    /// `linux_binprm.file`
    BPRM_FILE;
    /// `file.f_inode`
    FILE_INODE;
    /// `inode.i_ino`
    INODE_NUMBER;
    /// Seconds of `inode.i_ctime`, whatever this kernel calls it.
    INODE_CHANGED;
    /// Nanoseconds of it.
    INODE_CHANGED_NANOS;
    /// `inode.i_sb`
    INODE_SUPER;
    /// `super_block.s_dev`
    SUPER_DEVICE;
    /// `super_block.s_magic`
    SUPER_MAGIC;
    /// `super_block.s_time_gran`
    SUPER_GRANULARITY;
    /// `super_block.s_user_ns`
    SUPER_USER_NS;
    /// `fs_struct.pwd`
    FS_PWD;
    /// `path.mnt`
    PATH_MNT;
    /// `path.dentry`
    PATH_DENTRY;
    /// `dentry.d_parent`
    DENTRY_PARENT;
    /// `dentry.d_name`
    DENTRY_NAME;
    /// `qstr.name`
    QSTR_NAME;
    /// `vfsmount.mnt_root`
    VFSMOUNT_ROOT;
    /// `mount.mnt`
    MOUNT_MNT;
    /// `mount.mnt_parent`
    MOUNT_PARENT;
    /// `mount.mnt_mountpoint`
    MOUNT_MOUNTPOINT;
    /// `sock.sk_lock.owned`
    SOCK_OWNED;
    /// `sock.sk_type`
    SOCK_TYPE;
    /// `sock.__sk_common.skc_family`
    SOCK_FAMILY;
    /// `sock.sk_protocol`
    SOCK_PROTOCOL;
    /// `sock.__sk_common.skc_rcv_saddr`
    SOCK_LOCAL_V4;
    /// `sock.__sk_common.skc_daddr`
    SOCK_REMOTE_V4;
    /// `sock.__sk_common.skc_v6_rcv_saddr`
    SOCK_LOCAL_V6;
    /// `sock.__sk_common.skc_v6_daddr`
    SOCK_REMOTE_V6;
    /// `sock.__sk_common.skc_num`, in host order
    SOCK_LOCAL_PORT;
    /// `sock.__sk_common.skc_dport`, in network order
    SOCK_REMOTE_PORT;
    /// `sock.__sk_common.skc_bound_dev_if`
    SOCK_INTERFACE;
    /// `sock.__sk_common.skc_net.net`
    SOCK_NET;
    /// `net.ns.inum`
    NET_NUMBER;
    /// `sock.sk_socket`
    SOCK_SOCKET;
    /// `socket.file`
    SOCKET_FILE;
    /// Not an offset: 1 where this kernel has MPTCP. Constant to the verifier, so that a kernel
    /// without it does not see the call that it lacks.
    MPTCP_KNOWN;
    /// Not an offset: the number of this loading, compared with `State::generation`.
    GENERATION;
}

/// Reads a member of a kernel struct; zero where it cannot be read, without a branch, which would
/// double the paths that the verifier walks.
#[inline(always)]
pub fn peek<T: Copy + Default>(base: u64, offset: &Global<u64>) -> T {
    let mut value = T::default();
    let from = base.wrapping_add(offset.load()) as *const c_void;
    // SAFETY: the helper copes with any address, and writes exactly the size of the value (zeroes
    // when it fails).
    unsafe { bpf_probe_read_kernel(from_mut(&mut value).cast(), size_of::<T>() as u32, from) };
    value
}
