//! System calls: their names, and what their arguments are.
//!
//! The names and numbers are those of the `syscalls` crate for the architecture that this is built for. What a call's
//! arguments are is one line of [`TABLE`]; calls without a line are shown with their arguments as numbers.

use std::sync::LazyLock;

use syscalls::Sysno;

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    Descriptor,
    /// The second that is of interest.
    SecondDescriptor,
    /// What a path is relative to.
    Directory,
    Path,
    SecondPath,
    /// A socket's address; its length comes next.
    Address,
    Number,
    Hexadecimal,
    Octal,
    Signal,
    Flags(&'static [(u64, &'static str)]),
    /// One of a few.
    Choice(&'static [(u64, &'static str)]),
}

/// A line of the table.
#[derive(Debug)]
pub struct Shape {
    pub arguments: Vec<Argument>,
    pub returns_descriptor: bool,
    /// Its text or descriptor has to be looked at when it is entered.
    pub is_read_early: bool,
    pub moves: Moves,
}

/// What the result of a call counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moves {
    Nothing,
    /// Bytes out of its descriptor.
    Reads,
    /// Bytes into its descriptor.
    Writes,
    /// Bytes out of its second descriptor and into the first.
    SecondToFirst,
    /// Bytes out of its first descriptor and into the second.
    FirstToSecond,
}

pub(super) const OPEN: &[(u64, &str)] = &[
    (0o1, "O_WRONLY"),
    (0o2, "O_RDWR"),
    (0o100, "O_CREAT"),
    (0o200, "O_EXCL"),
    (0o400, "O_NOCTTY"),
    (0o1000, "O_TRUNC"),
    (0o2000, "O_APPEND"),
    (0o4000, "O_NONBLOCK"),
    (0o10000, "O_DSYNC"),
    (0o40000, "O_DIRECT"),
    (0o200_000, "O_DIRECTORY"),
    (0o400_000, "O_NOFOLLOW"),
    (0o1_000_000, "O_NOATIME"),
    (0o2_000_000, "O_CLOEXEC"),
    (0o4_000_000, "O_SYNC"),
    (0o10_000_000, "O_PATH"),
];
const PROTECTION: &[(u64, &str)] = &[(1, "PROT_READ"), (2, "PROT_WRITE"), (4, "PROT_EXEC")];
const MAPPING: &[(u64, &str)] = &[
    (1, "MAP_SHARED"),
    (2, "MAP_PRIVATE"),
    (0x10, "MAP_FIXED"),
    (0x20, "MAP_ANONYMOUS"),
    (0x800, "MAP_DENYWRITE"),
    (0x4000, "MAP_NORESERVE"),
    (0x8000, "MAP_POPULATE"),
    (0x20000, "MAP_STACK"),
];
const CLONE: &[(u64, &str)] = &[
    (0x100, "CLONE_VM"),
    (0x200, "CLONE_FS"),
    (0x400, "CLONE_FILES"),
    (0x800, "CLONE_SIGHAND"),
    (0x4000, "CLONE_VFORK"),
    (0x10000, "CLONE_THREAD"),
    (0x0100_0000, "CLONE_CHILD_SETTID"),
    (0x0020_0000, "CLONE_CHILD_CLEARTID"),
];
const WAIT: &[(u64, &str)] = &[(1, "WNOHANG"), (2, "WUNTRACED"), (8, "WCONTINUED")];
const AT: &[(u64, &str)] = &[
    (0x100, "AT_SYMLINK_NOFOLLOW"),
    (0x200, "AT_REMOVEDIR"),
    (0x400, "AT_SYMLINK_FOLLOW"),
    (0x800, "AT_NO_AUTOMOUNT"),
    (0x1000, "AT_EMPTY_PATH"),
];
const MESSAGE: &[(u64, &str)] = &[
    (2, "MSG_PEEK"),
    (0x40, "MSG_DONTWAIT"),
    (0x100, "MSG_WAITALL"),
    (0x4000, "MSG_NOSIGNAL"),
];
pub(super) const SOCKET: &[(u64, &str)] = &[
    (1, "SOCK_STREAM"),
    (2, "SOCK_DGRAM"),
    (3, "SOCK_RAW"),
    (5, "SOCK_SEQPACKET"),
];
const FAMILY: &[(u64, &str)] = &[
    (1, "AF_UNIX"),
    (2, "AF_INET"),
    (10, "AF_INET6"),
    (16, "AF_NETLINK"),
    (17, "AF_PACKET"),
];
const WHENCE: &[(u64, &str)] = &[(0, "SEEK_SET"), (1, "SEEK_CUR"), (2, "SEEK_END")];
const CLOCK: &[(u64, &str)] = &[
    (0, "CLOCK_REALTIME"),
    (1, "CLOCK_MONOTONIC"),
    (2, "CLOCK_PROCESS_CPUTIME_ID"),
    (7, "CLOCK_BOOTTIME"),
];
const FCNTL: &[(u64, &str)] = &[
    (0, "F_DUPFD"),
    (1, "F_GETFD"),
    (2, "F_SETFD"),
    (3, "F_GETFL"),
    (4, "F_SETFL"),
    (5, "F_GETLK"),
    (6, "F_SETLK"),
    (7, "F_SETLKW"),
    (1030, "F_DUPFD_CLOEXEC"),
];
const FUTEX: &[(u64, &str)] = &[
    (0, "FUTEX_WAIT"),
    (1, "FUTEX_WAKE"),
    (128, "FUTEX_WAIT_PRIVATE"),
    (129, "FUTEX_WAKE_PRIVATE"),
    (137, "FUTEX_WAIT_BITSET_PRIVATE"),
    (393, "FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME"),
];
const EPOLL: &[(u64, &str)] = &[
    (1, "EPOLL_CTL_ADD"),
    (2, "EPOLL_CTL_DEL"),
    (3, "EPOLL_CTL_MOD"),
];
const LOCK: &[(u64, &str)] = &[
    (1, "LOCK_SH"),
    (2, "LOCK_EX"),
    (4, "LOCK_NB"),
    (8, "LOCK_UN"),
];
const ACCESS: &[(u64, &str)] = &[(1, "X_OK"), (2, "W_OK"), (4, "R_OK")];
const MASKING: &[(u64, &str)] = &[(0, "SIG_BLOCK"), (1, "SIG_UNBLOCK"), (2, "SIG_SETMASK")];

/// A call a line: its name, and a word for each argument. `->fd`: it returns a descriptor; `<`: it is to be looked at
/// when it is entered; `+r`, `+w`, `+21`, `+12`: what its result counts, as in [`Moves`].
const TABLE: &str = "
read fd x n +r
write fd x n +w
open path oflags oct ->fd
close fd <
stat path x
fstat fd x
lstat path x
poll x n n
lseek fd n whence
mmap x n prot map fd n
mprotect x n prot
munmap x n
brk x
rt_sigaction sig x x n
rt_sigprocmask how x x n
rt_sigreturn
ioctl fd x x
pread64 fd x n n +r
pwrite64 fd x n n +w
readv fd x n +r
writev fd x n +w
access path access
pipe x
select n x x x x
sched_yield
mremap x n n x x
msync x n x
mincore x n x
madvise x n n
dup fd ->fd
dup2 fd n ->fd
dup3 fd n oflags ->fd
pause
nanosleep x x
getitimer n x
alarm n
setitimer n x x
getpid
sendfile fd fd2 x n +21
socket family socktype n ->fd
connect fd addr n
accept fd x x ->fd
accept4 fd x x n ->fd
sendto fd x n msg addr n +w
recvfrom fd x n msg addr x +r
sendmsg fd x msg +w
recvmsg fd x msg +r
sendmmsg fd x n msg
recvmmsg fd x n msg x
shutdown fd n
bind fd addr n
listen fd n
getsockname fd x x
getpeername fd x x
socketpair family socktype n x
setsockopt fd n n x n
getsockopt fd n n x x
clone clone x x x x
clone3 x n
fork
vfork
execve path x x <
execveat dirfd path x x at <
exit n
exit_group n
wait4 n x wait x
waitid n n x wait x
kill n sig
tkill n sig
tgkill n n sig
uname x
fcntl fd fcntl x
flock fd lock
fsync fd
fdatasync fd
sync
syncfs fd
sync_file_range fd n n x
truncate path n
ftruncate fd n
getdents fd x n
getdents64 fd x n
getcwd x n
chdir path
fchdir fd
rename path path2
renameat dirfd path dirfd path2
renameat2 dirfd path dirfd path2 x
mkdir path oct
mkdirat dirfd path oct
rmdir path
creat path oct ->fd
link path path2
linkat dirfd path dirfd path2 at
unlink path
unlinkat dirfd path at
symlink path path2
symlinkat path dirfd path2
readlink path x n
readlinkat dirfd path x n
chmod path oct
fchmod fd oct
fchmodat dirfd path oct
chown path n n
fchown fd n n
lchown path n n
fchownat dirfd path n n at
umask oct
gettimeofday x x
getrlimit n x
getrusage n x
sysinfo x
times x
getuid
syslog n x n
getgid
setuid n
setgid n
geteuid
getegid
setpgid n n
getppid
getpgrp
setsid
statfs path x
fstatfs fd x
prctl n x x x x
arch_prctl x x
setrlimit n x
chroot path
mount path path2 x x x
umount2 path x
gettid
futex x futex n x x n
sched_setaffinity n n x
sched_getaffinity n n x
io_setup n x
epoll_create n ->fd
epoll_create1 oflags ->fd
epoll_wait fd x n n
epoll_pwait fd x n n x n
epoll_pwait2 fd x n x x n
epoll_ctl fd epoll n x
set_tid_address x
fadvise64 fd n n n
timer_create clock x x
clock_gettime clock x
clock_getres clock x
clock_nanosleep clock n x x
openat dirfd path oflags oct ->fd
openat2 dirfd path x n ->fd
newfstatat dirfd path x at
fstatat dirfd path x at
statx dirfd path at x x
faccessat dirfd path access
faccessat2 dirfd path access at
pselect6 n x x x x x
ppoll x n x x n
splice fd x fd2 x n x +12
tee fd fd2 n x
vmsplice fd x n x
copy_file_range fd x fd2 x n x +12
utimensat dirfd path x at
eventfd n ->fd
eventfd2 n oflags ->fd
signalfd4 n x n oflags ->fd
timerfd_create clock oflags ->fd
timerfd_settime fd x x x
timerfd_gettime fd x
inotify_init1 oflags ->fd
inotify_add_watch fd path x
preadv fd x n n n +r
pwritev fd x n n n +w
preadv2 fd x n n n x +r
pwritev2 fd x n n n x +w
pipe2 x oflags
fallocate fd x n n
prlimit64 n n x x
getrandom x n x
memfd_create path x ->fd
pidfd_open n x ->fd
pidfd_send_signal fd sig x x
close_range n n x
set_robust_list x n
rseq x n x x
membarrier n x n
getxattr path path2 x n
lgetxattr path path2 x n
fgetxattr fd path x n
io_uring_setup n x ->fd
io_uring_enter fd n n x x n
bpf n x n
perf_event_open x n n n x ->fd
";

fn argument(word: &str) -> Option<Argument> {
    Some(match word {
        "fd" => Argument::Descriptor,
        "fd2" => Argument::SecondDescriptor,
        "dirfd" => Argument::Directory,
        "path" => Argument::Path,
        "path2" => Argument::SecondPath,
        "addr" => Argument::Address,
        "n" => Argument::Number,
        "x" => Argument::Hexadecimal,
        "oct" => Argument::Octal,
        "sig" => Argument::Signal,
        "oflags" => Argument::Flags(OPEN),
        "prot" => Argument::Flags(PROTECTION),
        "map" => Argument::Flags(MAPPING),
        "clone" => Argument::Flags(CLONE),
        "wait" => Argument::Flags(WAIT),
        "at" => Argument::Flags(AT),
        "msg" => Argument::Flags(MESSAGE),
        "lock" => Argument::Flags(LOCK),
        "access" => Argument::Flags(ACCESS),
        "socktype" => Argument::Choice(SOCKET),
        "family" => Argument::Choice(FAMILY),
        "whence" => Argument::Choice(WHENCE),
        "clock" => Argument::Choice(CLOCK),
        "fcntl" => Argument::Choice(FCNTL),
        "futex" => Argument::Choice(FUTEX),
        "epoll" => Argument::Choice(EPOLL),
        "how" => Argument::Choice(MASKING),
        _ => return None,
    })
}

fn shape_of_line(line: &str) -> Shape {
    let mut shape = Shape {
        arguments: Vec::new(),
        returns_descriptor: false,
        is_read_early: false,
        moves: Moves::Nothing,
    };
    for word in line.split(' ').skip(1) {
        match word {
            "->fd" => shape.returns_descriptor = true,
            "<" => shape.is_read_early = true,
            "+r" => shape.moves = Moves::Reads,
            "+w" => shape.moves = Moves::Writes,
            "+21" => shape.moves = Moves::SecondToFirst,
            "+12" => shape.moves = Moves::FirstToSecond,
            word => shape.arguments.extend(argument(word)),
        }
    }
    shape
}

/// By number.
static SHAPES: LazyLock<Vec<Option<Shape>>> = LazyLock::new(|| {
    let mut shapes: Vec<Option<Shape>> = Vec::new();
    for line in TABLE.lines().filter(|line| !line.is_empty()) {
        let name = line.split(' ').next().unwrap_or_default();
        // Some are of other architectures only.
        let Ok(number) = name.parse::<Sysno>() else {
            continue;
        };
        let number = number.id() as usize;
        if shapes.len() <= number {
            shapes.resize_with(number + 1, || None);
        }
        shapes[number] = Some(shape_of_line(line));
    }
    shapes
});

/// `None` for a call without a line in the table.
pub fn shape(number: u32) -> Option<&'static Shape> {
    SHAPES.get(number as usize)?.as_ref()
}

/// Every call that has a shape, by number.
pub fn shapes() -> impl Iterator<Item = (u32, &'static Shape)> {
    let numbered = SHAPES.iter().enumerate();
    numbered.filter_map(|(number, shape)| Some((number as u32, shape.as_ref()?)))
}

/// Empty for a number that no call has.
pub fn name(number: u32) -> &'static str {
    Sysno::new(number as usize).map_or("", |call| call.name())
}

/// The name, or the number where there is none.
pub fn label(number: u32) -> String {
    match name(number) {
        "" => format!("syscall {number}"),
        name => name.to_owned(),
    }
}

/// Whether there is such a call.
pub fn is_known(name: &str) -> bool {
    name.parse::<Sysno>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_understood() {
        for line in TABLE.lines().filter(|line| !line.is_empty()) {
            let words = line.split(' ').skip(1);
            let kinds = ["->fd", "<", "+r", "+w", "+21", "+12"];
            for word in words.filter(|word| !kinds.contains(word)) {
                assert!(argument(word).is_some(), "{line}: {word}");
            }
        }
        assert!(shapes().count() > 150);
    }
}
