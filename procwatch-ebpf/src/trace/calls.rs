//! System calls: what a thread enters with is kept with it, and told when the call returns.

use core::ffi::c_void;

use aya_ebpf::{
    helpers::generated::{bpf_probe_read_user, bpf_probe_read_user_str},
    macros::{btf_tracepoint, map},
    maps::{Array, HashMap},
    programs::BtfTracePointContext,
};
use procwatch_common::{
    layout::ABSENT,
    trace::{
        FileRef, NO_SYSCALL, Overflow, OverflowKey, SYSCALLS_MAX, SyscallRecord, SyscallWithEnds,
        TEXT_MAX, TraceKind, TraceLoss, TracedThread, shape,
    },
};

use crate::{
    atomic::add_to,
    files,
    kernel::{layout, member},
    stream, threads,
};

const BPF_NOEXIST: u64 = 1;
/// The largest error that a system call returns, negated: `MAX_ERRNO`.
const ERRORS_FROM: i64 = -4095;

/// What of each call's arguments to fetch, by number: see [`shape`].
#[map]
static SHAPES: Array<u32> = Array::with_max_entries(SYSCALLS_MAX, 0);

/// Calls whose records found no room.
#[map]
static OVERFLOW: HashMap<OverflowKey, Overflow> = HashMap::with_max_entries(8192, 0);

/// A call, and what of its arguments is text.
#[repr(C)]
struct SyscallWithText {
    call: SyscallRecord,
    text: [u8; TEXT_MAX],
}

#[repr(C)]
struct SyscallWithTexts {
    call: SyscallRecord,
    texts: [[u8; TEXT_MAX]; 2],
}

#[inline(always)]
fn shape_of(number: u32) -> u32 {
    match SHAPES.get_ptr(number) {
        // SAFETY: an element of a map that nobody writes to by now.
        Some(shape) => unsafe { *shape },
        None => 0,
    }
}

/// One of the arguments, by its place counted from 1.
#[inline(always)]
fn argument(thread: *const TracedThread, place: u32) -> u64 {
    let place = (place - 1) as usize;
    if place >= 6 {
        return 0;
    }
    // SAFETY: alive, and in bounds.
    unsafe { *(&raw const (*thread).arguments).cast::<u64>().add(place) }
}

#[btf_tracepoint(function = "sys_enter")]
pub fn pw_trace_enter(context: BtfTracePointContext) -> i32 {
    try_enter(&context);
    0
}

#[inline(always)]
fn try_enter(context: &BtfTracePointContext) -> Option<()> {
    let (thread, _, _) = threads::current()?;
    let registers = context.arg::<*const u8>(0);
    let number = context.arg::<u32>(1);
    let shape = shape_of(number);
    let arguments = [
        member!(registers, regs_argument_0, u64),
        member!(registers, regs_argument_1, u64),
        member!(registers, regs_argument_2, u64),
        member!(registers, regs_argument_3, u64),
        member!(registers, regs_argument_4, u64),
        member!(registers, regs_argument_5, u64),
    ];
    // SAFETY: alive; it is the entry of the thread that runs.
    unsafe {
        (*thread).number = number;
        (*thread).flags &= !TracedThread::IN_UNSEEN_CALL;
        (*thread).entered_ns = stream::now_ns();
        (*thread).arguments = arguments;
        (*thread).blocked_ns = 0;
        (*thread).waited_ns = 0;
        (*thread).file = match shape::argument(shape, shape::FD) {
            0 => NO_FILE,
            place => files::name(files::of_descriptor(argument(thread, place))),
        };
        (*thread).second_file = match shape::argument(shape, shape::FD_2) {
            0 => NO_FILE,
            place => files::name(files::of_descriptor(argument(thread, place))),
        };
        if shape & shape::AT_ENTRY != 0 {
            let path = shape::argument(shape, shape::PATH);
            (*thread).text[0][0] = 0;
            if path != 0 {
                read_text((&raw mut (*thread).text).cast(), argument(thread, path));
            }
        }
    }
    Some(())
}

const NO_FILE: FileRef = FileRef {
    inode: 0,
    device: 0,
    mode: 0,
};

/// # Safety
/// There must be room for [`TEXT_MAX`] bytes.
#[inline(always)]
unsafe fn read_text(into: *mut u8, from: u64) {
    // SAFETY: the caller's promise; the helper checks the source.
    unsafe {
        *into = 0;
        bpf_probe_read_user_str(into.cast(), TEXT_MAX as u32, from as *const c_void);
    }
}

#[btf_tracepoint(function = "sys_exit")]
pub fn pw_trace_return(context: BtfTracePointContext) -> i32 {
    try_return(&context);
    0
}

#[inline(always)]
fn try_return(context: &BtfTracePointContext) -> Option<()> {
    let (thread, tid, tgid) = threads::current()?;
    // SAFETY: alive; it is the entry of the thread that runs.
    let (mut number, flags) = unsafe { ((*thread).number, (*thread).flags) };
    if number == NO_SYSCALL {
        // A newborn returns from a call that it has not made.
        if flags & TracedThread::IN_UNSEEN_CALL == 0 || layout!(regs_number) == ABSENT {
            return None;
        }
        number = member!(context.arg::<*const u8>(0), regs_number, u64) as u32;
        // SAFETY: as above.
        unsafe { (*thread).number = number };
    }
    let result = context.arg::<i64>(1);
    let shape = shape_of(number);
    let mut file = 0;
    let descriptor = shape::argument(shape, shape::FD);
    let second = shape::argument(shape, shape::FD_2);
    // SAFETY: as above.
    unsafe {
        if shape & shape::RETURNS_FD != 0 && result >= 0 {
            file = files::of_descriptor(result as u64);
            (*thread).file = files::name(file);
        } else if descriptor != 0 && files::is_socket(&(*thread).file) {
            file = files::of_descriptor(argument(thread, descriptor));
        } else if second != 0 && files::is_socket(&(*thread).second_file) {
            file = files::of_descriptor(argument(thread, second));
        }
    }
    let call = Returned {
        thread,
        tid,
        tgid,
        time_ns: stream::now_ns(),
        result,
    };
    let mut address = shape::argument(shape, shape::ADDRESS);
    // Who is connected says nobody, and the socket knows.
    if address != 0 && argument(thread, address) == 0 {
        address = 0;
    }
    let (path, second_path) = (
        shape::argument(shape, shape::PATH),
        shape::argument(shape, shape::PATH_2),
    );
    let is_sent = if address != 0 {
        call.emit_address(address)
    } else if second_path != 0 {
        call.emit_texts(path, second_path)
    } else if path != 0 {
        call.emit_text(path, shape & shape::AT_ENTRY != 0)
    } else if file != 0 && files::is_socket(&files::name(file)) {
        call.emit_ends(file)
    } else {
        stream::emit(TraceLoss::Syscall, |record: *mut SyscallRecord| {
            // SAFETY: reserved, and written whole.
            unsafe { call.write(record, 0) };
        })
    };
    if !is_sent {
        call.add_to_overflow();
    }
    // SAFETY: as above.
    unsafe {
        (*thread).number = NO_SYSCALL;
        (*thread).flags &= !TracedThread::IN_UNSEEN_CALL;
    }
    Some(())
}

/// A call that has returned.
struct Returned {
    thread: *mut TracedThread,
    tid: u32,
    tgid: u32,
    time_ns: u64,
    result: i64,
}

impl Returned {
    /// # Safety
    /// There must be room for the record.
    #[inline(always)]
    unsafe fn write(&self, record: *mut SyscallRecord, flags: u32) {
        // SAFETY: the caller's promise; the thread's entry is alive.
        unsafe {
            let thread = self.thread;
            record.write(SyscallRecord {
                header: stream::header(
                    TraceKind::Syscall,
                    self.time_ns,
                    self.tid,
                    self.tgid,
                    flags,
                ),
                entered_ns: (*thread).entered_ns,
                result: self.result,
                arguments: (*thread).arguments,
                file: (*thread).file,
                second_file: (*thread).second_file,
                blocked_ns: (*thread).blocked_ns,
                waited_ns: (*thread).waited_ns,
                number: (*thread).number,
                reserved: 0,
            });
        }
    }

    #[inline(always)]
    fn emit_text(&self, path: u32, is_kept: bool) -> bool {
        stream::emit(TraceLoss::Syscall, |record: *mut SyscallWithText| {
            // SAFETY: reserved; the text ends with the first NUL.
            unsafe {
                self.write(&raw mut (*record).call, SyscallRecord::HAS_TEXT);
                let text = (&raw mut (*record).text).cast::<u8>();
                if is_kept {
                    let kept = (&raw const (*self.thread).text).cast::<[u64; TEXT_MAX / 8]>();
                    text.cast::<[u64; TEXT_MAX / 8]>().write(*kept);
                } else {
                    read_text(text, argument(self.thread, path));
                }
            }
        })
    }

    #[inline(always)]
    fn emit_texts(&self, path: u32, second: u32) -> bool {
        stream::emit(TraceLoss::Syscall, |record: *mut SyscallWithTexts| {
            // SAFETY: as above.
            unsafe {
                self.write(&raw mut (*record).call, SyscallRecord::HAS_TEXTS);
                let texts = (&raw mut (*record).texts).cast::<u8>();
                read_text(texts, argument(self.thread, path));
                read_text(texts.add(TEXT_MAX), argument(self.thread, second));
            }
        })
    }

    #[inline(always)]
    fn emit_address(&self, address: u32) -> bool {
        let length = argument(self.thread, address + 1);
        stream::emit(TraceLoss::Syscall, |record: *mut SyscallWithText| {
            let mut flags = SyscallRecord::HAS_TEXT;
            // SAFETY: reserved; the helper checks the source.
            unsafe {
                let text = (&raw mut (*record).text).cast::<u8>();
                text.cast::<u64>().write(0);
                let length = if length > 128 { 128 } else { length as u32 };
                let from = argument(self.thread, address) as *const c_void;
                if bpf_probe_read_user(text.cast(), length, from) == 0 {
                    flags |= SyscallRecord::IS_ADDRESS;
                }
                self.write(&raw mut (*record).call, flags);
            }
        })
    }

    #[inline(always)]
    fn emit_ends(&self, file: u64) -> bool {
        stream::emit(TraceLoss::Syscall, |record: *mut SyscallWithEnds| {
            // SAFETY: reserved, and written whole.
            unsafe {
                self.write(&raw mut (*record).call, SyscallRecord::HAS_ENDS);
                files::write_ends(file, &raw mut (*record).ends);
            }
        })
    }

    /// What finds no room in the stream is added up instead, so that counts and times are right all the same.
    fn add_to_overflow(&self) {
        // SAFETY: alive.
        let (number, entered_ns) = unsafe { ((*self.thread).number, (*self.thread).entered_ns) };
        let key = OverflowKey {
            tgid: self.tgid,
            number,
        };
        let none = Overflow {
            calls: 0,
            errors: 0,
            time_ns: 0,
        };
        if OVERFLOW.get_ptr_mut(key).is_none() {
            let _ = OVERFLOW.insert(key, none, BPF_NOEXIST);
        }
        let Some(sums) = OVERFLOW.get_ptr_mut(key) else {
            stream::count_loss(TraceLoss::Overflow);
            return;
        };
        let is_error = self.result < 0 && self.result >= ERRORS_FROM;
        let time_ns = match entered_ns {
            0 => 0,
            entered_ns => self.time_ns - entered_ns,
        };
        // SAFETY: alive, and changed by atomic operations only: threads of a process share it.
        unsafe {
            add_to(&raw mut (*sums).calls, 1);
            add_to(&raw mut (*sums).errors, u64::from(is_error));
            add_to(&raw mut (*sums).time_ns, time_ns);
        }
    }
}
