//! Puts an exec event together: the file of the new image, its path, its argument vector, the
//! working directory. argv is read from the new mm, not from the caller's memory, so that what is
//! told is what runs.

use crate::maps::{EVENTS, SCRATCH};
use crate::offsets::{
    BPRM_ARGC, BPRM_FILE, BPRM_FILENAME, CRED_USER_NS, DENTRY_NAME, DENTRY_PARENT, FILE_INODE,
    FS_PWD, INODE_CHANGED, INODE_CHANGED_NANOS, INODE_NUMBER, INODE_SUPER, MM_ARG_END,
    MM_ARG_START, MOUNT_MNT, MOUNT_MOUNTPOINT, MOUNT_PARENT, PATH_DENTRY, PATH_MNT, QSTR_NAME,
    SUPER_DEVICE, SUPER_GRANULARITY, SUPER_MAGIC, SUPER_USER_NS, TASK_CRED, TASK_FS, TASK_MM,
    USER_NS_LEVEL, VFSMOUNT_ROOT, peek,
};
use crate::report::{NO_WAKEUP, head};
use aya_ebpf::helpers::bpf_get_current_uid_gid;
use aya_ebpf::helpers::generated::{
    bpf_get_current_cgroup_id, bpf_probe_read_kernel_str, bpf_probe_read_user, bpf_ringbuf_output,
};
use core::ptr::{addr_of_mut, from_ref, read_volatile, write_volatile};
use sluice_abi::{
    ARGV_MAX, CWD_MAX, EXEC, ExecEvent, FILENAME_MAX, ImageFile, Member, PATH_DEPTH, argv,
};

/// Bytes of the longest path component with its NUL (`NAME_MAX` + 1).
const COMPONENT_MAX: u64 = 256;
/// Where the parts after the head end at the latest; a mask, so one less than a power of two.
const END_MASK: u64 = 8_191;

/// Bounds a number for the verifier. In assembly, because LLVM removes a mask that it can prove
/// needless, and the verifier cannot follow that proof.
#[inline(always)]
fn bounded<const MASK: i32>(mut number: u64) -> u64 {
    // SAFETY: one instruction on one register.
    unsafe { core::arch::asm!("{0} &= {1}", inout(reg) number, const MASK) };
    number
}

/// Tells of an exec; false when the ring buffer is full.
#[inline(always)]
pub fn tell(task: u64, bprm: u64, member: Member) -> bool {
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return false;
    };
    let event: *mut ExecEvent = scratch.cast();
    // SAFETY: the scratch buffer is larger than a head and what END_MASK lets follow it.
    let parts: *mut u8 = unsafe { event.add(1).cast() };
    let mut flags = other_root(task);

    let filename = copy_filename(parts, bprm, &mut flags);
    let argv = copy_argv(parts, filename, task, &mut flags);
    let before = bounded::<{ END_MASK as i32 }>(filename + argv);
    // SAFETY: a field of this CPU's own scratch buffer.
    let walked = unsafe { addr_of_mut!((*scratch).walked) };
    let cwd = copy_cwd(parts, before, walked, task, &mut flags);

    let uid_gid = bpf_get_current_uid_gid();
    // SAFETY: this CPU's own scratch buffer, aligned to 8.
    unsafe {
        (*event).head = head(EXEC, member);
        (*event).cgroup = bpf_get_current_cgroup_id();
        (*event).uid = uid_gid as u32;
        (*event).gid = (uid_gid >> 32) as u32;
        (*event).argc = peek(bprm, &BPRM_ARGC);
        (*event).flags = flags;
        (*event).filename_len = filename as u32;
        (*event).argv_len = argv as u32;
        (*event).cwd_len = cwd as u32;
        (*event).pad = 0;
        (*event).image = image(bprm);
    }
    let length = size_of::<ExecEvent>() as u64 + bounded::<{ END_MASK as i32 }>(before + cwd);
    // SAFETY: `length` bytes of the scratch buffer are initialised.
    unsafe {
        bpf_ringbuf_output(
            from_ref(&EVENTS).cast_mut().cast(),
            event.cast(),
            length,
            NO_WAKEUP,
        ) == 0
    }
}

/// The file of the image, which is what `/proc/PID/exe` shows from now on.
#[inline(always)]
fn image(bprm: u64) -> ImageFile {
    let inode: u64 = peek(peek(bprm, &BPRM_FILE), &FILE_INODE);
    let mount: u64 = peek(inode, &INODE_SUPER);
    let magic: u64 = peek(mount, &SUPER_MAGIC);
    ImageFile {
        inode: peek(inode, &INODE_NUMBER),
        changed: peek(inode, &INODE_CHANGED),
        changed_nanos: peek(inode, &INODE_CHANGED_NANOS),
        device: peek(mount, &SUPER_DEVICE),
        file_system: magic as u32,
        granularity: peek(mount, &SUPER_GRANULARITY),
        user_ns_level: peek(peek(mount, &SUPER_USER_NS), &USER_NS_LEVEL),
        pad: 0,
    }
}

/// Whether paths are what the process, or who started it, made of them.
#[inline(always)]
fn other_root(task: u64) -> u32 {
    let user_ns: u64 = peek(peek(task, &TASK_CRED), &CRED_USER_NS);
    let level: u32 = peek(user_ns, &USER_NS_LEVEL);
    if level == 0 { 0 } else { argv::OTHER_ROOT }
}

/// The path as it was executed, with its NUL.
#[inline(always)]
fn copy_filename(to: *mut u8, bprm: u64, flags: &mut u32) -> u64 {
    let path: u64 = peek(bprm, &BPRM_FILENAME);
    // SAFETY: the helper writes at most FILENAME_MAX bytes, which are there.
    let copied =
        unsafe { bpf_probe_read_kernel_str(to.cast(), FILENAME_MAX as u32, path as *const _) };
    if copied < 0 {
        return 0;
    }
    if copied as usize >= FILENAME_MAX {
        *flags |= argv::FILENAME_TRUNCATED;
    }
    bounded::<2_047>(copied as u64)
}

/// The argument vector: what lies between `arg_start` and `arg_end` of the new mm.
#[inline(always)]
fn copy_argv(parts: *mut u8, at: u64, task: u64, flags: &mut u32) -> u64 {
    let mm: u64 = peek(task, &TASK_MM);
    let start: u64 = peek(mm, &MM_ARG_START);
    let end: u64 = peek(mm, &MM_ARG_END);
    let mut length = end.wrapping_sub(start);
    if length > ARGV_MAX as u64 {
        *flags |= argv::TRUNCATED;
        length = ARGV_MAX as u64;
    }
    let length = bounded::<8_191>(length);
    // SAFETY: at most 2,047 + 8,191 bytes into the scratch buffer of 16 KiB.
    let failed = unsafe {
        bpf_probe_read_user(
            parts.add(at as usize).cast(),
            length as u32,
            start as *const _,
        )
    };
    if failed != 0 {
        *flags |= argv::FAULTED;
        return 0;
    }
    length
}

/// The working directory, innermost component first, through the mounts up to the root.
#[inline(always)]
fn copy_cwd(parts: *mut u8, before: u64, walked: *mut u64, task: u64, flags: &mut u32) -> u64 {
    let pwd = peek::<u64>(task, &TASK_FS) + FS_PWD.load();
    let mut dentry: u64 = peek(pwd, &PATH_DENTRY);
    let mut vfsmount: u64 = peek(pwd, &PATH_MNT);
    // SAFETY: this CPU's own scratch buffer.
    unsafe { write_volatile(walked, 0) };
    let mut whole = false;
    for _ in 0..PATH_DEPTH {
        let parent: u64 = peek(dentry, &DENTRY_PARENT);
        if dentry == peek(vfsmount, &VFSMOUNT_ROOT) || dentry == parent {
            let mount = vfsmount.wrapping_sub(MOUNT_MNT.load());
            let above: u64 = peek(mount, &MOUNT_PARENT);
            if above == mount {
                whole = true; // the root of the mount tree
                break;
            }
            dentry = peek(mount, &MOUNT_MOUNTPOINT);
            vfsmount = above + MOUNT_MNT.load();
            continue;
        }
        // SAFETY: as above.
        let copied = unsafe { read_volatile(walked) };
        if copied + COMPONENT_MAX > CWD_MAX as u64 {
            break;
        }
        let name: u64 = peek(dentry + DENTRY_NAME.load(), &QSTR_NAME);
        let at = bounded::<{ END_MASK as i32 }>(before + copied);
        // SAFETY: at most END_MASK + 256 bytes into the scratch buffer of 16 KiB.
        let length = unsafe {
            let to = parts.add(at as usize).cast();
            bpf_probe_read_kernel_str(to, COMPONENT_MAX as u32, name as *const _)
        };
        if length <= 0 {
            break;
        }
        // SAFETY: as above.
        unsafe { write_volatile(walked, copied + length as u64) };
        dentry = parent;
    }
    if !whole {
        *flags |= argv::CWD_TRUNCATED;
    }
    // SAFETY: as above.
    bounded::<{ END_MASK as i32 }>(unsafe { read_volatile(walked) })
}
