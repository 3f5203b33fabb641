use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Command};

use super::*;

const EXT: u32 = 0xef53;
const TICK: u32 = 4_000_000;
/// Long enough for whatever is hashed here.
const LONG: Duration = Duration::from_secs(60);

fn since_boot() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap();
    u64::try_from(Duration::from(now).as_nanos()).unwrap()
}

/// The image of a file as the kernel would tell it, executed when its last change was long over.
fn image_of(file: &std::path::Path) -> ImageFile {
    let status = std::fs::metadata(file).unwrap();
    ImageFile {
        device: (libc::major(status.dev()), libc::minor(status.dev())),
        inode: status.ino(),
        changed: (status.ctime(), u32::try_from(status.ctime_nsec()).unwrap()),
        executed: since_boot() + 1_000_000_000,
        granularity: 1,
        file_system: EXT,
        of_user_namespace: false,
    }
}

/// A process of a program of its own that waits, and the image of it as the kernel would tell it.
struct Running {
    directory: tempfile::TempDir,
    child: Child,
    image: ImageFile,
}

impl Running {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("waits");
        // By a process of its own: a child that another test starts meanwhile would have the file
        // open for writing until it executes, and what is open for writing does not run.
        let copied = Command::new("/bin/cp")
            .args([Path::new("/bin/sleep"), &program])
            .status();
        assert!(copied.unwrap().success());
        Self {
            // spawn() is back when the child has executed.
            child: Command::new(&program).arg("600").spawn().unwrap(),
            image: image_of(&program),
            directory,
        }
    }

    fn program(&self) -> std::path::PathBuf {
        self.directory.path().join("waits")
    }

    fn process(&self) -> ProcessId {
        found::process(self.child.id()).unwrap()
    }

    fn digest(&self) -> Result<String, NoDigest> {
        digest_of(self.process(), &self.image)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn digest_of(process: ProcessId, image: &ImageFile) -> Result<String, NoDigest> {
    ImageDigests::default().digest(process, image, Instant::now() + LONG)
}

#[test]
fn only_some_files_name_what_ran() {
    let image = ImageFile {
        device: (8, 1),
        inode: 1,
        changed: (100, 0),
        executed: 0,
        granularity: 1,
        file_system: EXT,
        of_user_namespace: false,
    };
    let after = |nanos: i128| 100_000_000_000 + nanos;
    let tick = i128::from(TICK);
    let foreign = ImageFile {
        of_user_namespace: true,
        ..image
    };
    let of_kind = |file_system| ImageFile {
        file_system,
        ..image
    };
    let coarse = ImageFile {
        granularity: 1_000_000_000,
        ..image
    };
    for (image, executed, want) in [
        (image, after(tick), Ok(())),
        (image, after(tick - 1), Err(NoDigest::JustChanged)),
        (image, after(-1), Err(NoDigest::JustChanged)),
        (image, 0, Err(NoDigest::JustChanged)),
        (coarse, after(1_000_000_000), Ok(())),
        (coarse, after(999_999_999), Err(NoDigest::JustChanged)),
        (foreign, after(tick), Err(NoDigest::UserNamespace)),
        (of_kind(0x0102_1994), after(tick), Ok(())),
        (of_kind(0x6573_5546), after(tick), Err(NoDigest::FileSystem)), // FUSE
        (of_kind(0x6969), after(tick), Err(NoDigest::FileSystem)),      // NFS
        (of_kind(0x9123_683e), after(tick), Err(NoDigest::FileSystem)), // btrfs
        (of_kind(0), after(tick), Err(NoDigest::FileSystem)),
    ] {
        let told = names_what_ran(&image, executed, TICK);
        assert_eq!(told, want, "{image:?} executed at {executed}");
    }
}

#[test]
fn what_is_found_must_be_what_ran() {
    let image = image_of(std::path::Path::new("/bin/sh"));
    let found = Status {
        device: image.device,
        inode: image.inode,
        changed: image.changed,
        size: MAX_IMAGE_BYTES,
    };
    let (major, minor) = image.device;
    let (seconds, nanos) = image.changed;
    for (found, want) in [
        (found, Ok(())),
        (
            Status {
                size: MAX_IMAGE_BYTES + 1,
                ..found
            },
            Err(NoDigest::TooLarge),
        ),
        (
            Status {
                device: (major, minor + 1),
                ..found
            },
            Err(NoDigest::AnotherFile),
        ),
        (
            Status {
                inode: image.inode + 1,
                ..found
            },
            Err(NoDigest::AnotherFile),
        ),
        (
            Status {
                changed: (seconds, nanos + 1),
                ..found
            },
            Err(NoDigest::Changed),
        ),
        (
            Status {
                changed: (seconds - 1, nanos),
                ..found
            },
            Err(NoDigest::Changed),
        ),
    ] {
        assert_eq!(found.is_of(&image), want, "{found:?}");
    }
}

#[test]
fn the_file_of_a_process_is_hashed() {
    let running = Running::new();
    let want = hex(&Sha256::digest(std::fs::read("/bin/sleep").unwrap()));
    assert_eq!(running.digest(), Ok(want));
}

#[test]
fn a_file_put_in_its_place_is_not_taken_for_it() {
    let running = Running::new();
    let other = running.directory.path().join("other");
    std::fs::copy("/bin/true", &other).unwrap();
    std::fs::rename(&other, running.program()).unwrap();
    assert_eq!(
        running.digest(),
        Err(NoDigest::Changed),
        "its last link went"
    );
}

#[test]
fn a_change_after_the_exec_makes_it_unknown() {
    let running = Running::new();
    let mode = std::fs::metadata(running.program()).unwrap().permissions();
    std::fs::set_permissions(running.program(), mode).unwrap();
    assert_eq!(running.digest(), Err(NoDigest::Changed));
}

#[test]
fn another_image_and_another_process_are_not_hashed() {
    let running = Running::new();
    let other = image_of(std::path::Path::new("/bin/sh"));
    let told = digest_of(running.process(), &other);
    assert_eq!(told, Err(NoDigest::AnotherFile));
    let process = running.process();
    let later = ProcessId {
        started: process.started + 1_000_000_000,
        ..process
    };
    let told = digest_of(later, &running.image);
    assert_eq!(told, Err(NoDigest::Ended), "the pid is another's");
    let image = running.image;
    drop(running);
    assert_eq!(digest_of(process, &image), Err(NoDigest::Ended));
}

#[test]
fn what_was_hashed_is_known_of_a_process_that_is_gone() {
    let (digests, running) = (ImageDigests::default(), Running::new());
    assert_eq!(digests.known(&running.image), None);
    let (process, image) = (running.process(), running.image);
    let digest = digests.digest(process, &image, Instant::now() + LONG);
    drop(running);
    assert_eq!(digests.known(&image), digest.clone().ok());
    assert_eq!(digests.digest(process, &image, Instant::now()), digest);
    let (seconds, nanos) = image.changed;
    let changed = ImageFile {
        changed: (seconds, nanos + 1),
        ..image
    };
    assert_eq!(digests.known(&changed), None);
}

#[test]
fn nobody_waits_longer_than_they_said() {
    let running = Running::new();
    let told = ImageDigests::default().digest(running.process(), &running.image, Instant::now());
    assert_eq!(told, Err(NoDigest::Late));
}

#[test]
fn digests_are_bounded() {
    let (digests, image) = (
        ImageDigests::default(),
        image_of(std::path::Path::new("/bin/sh")),
    );
    for inode in 0..MAX_DIGESTS {
        let inode = u64::try_from(inode).unwrap();
        digests.remember(&ImageFile { inode, ..image }, "00");
    }
    assert_eq!(digests.known.lock().len(), MAX_DIGESTS);
    digests.remember(
        &ImageFile {
            inode: u64::MAX,
            ..image
        },
        "00",
    );
    assert_eq!(digests.known.lock().len(), 1);
}
