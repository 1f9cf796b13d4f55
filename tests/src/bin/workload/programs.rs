//! Where a program can come from.

use std::{
    ffi::CString,
    io::{Read as _, Write as _},
    path::Path,
};

use serde_json::{Value, json};

use crate::child::{fork, spawn, text, wait};

/// Takes a name, says so, and lives until standard input ends.
pub fn linger(comm: &str) {
    // Without a name it keeps that of its file.
    if !comm.is_empty() {
        let comm = text(comm);
        // SAFETY: a NUL-ended text, of which the kernel takes 15 bytes.
        unsafe { libc::prctl(libc::PR_SET_NAME, comm.as_ptr()) };
    }
    println!("null");
    let _ = std::io::stdout().flush();
    let _ = std::io::stdin().read(&mut [0]);
}

/// Executes a program out of memory.
pub fn memfd(program: &str) -> Value {
    let bytes = std::fs::read(program).expect("the program");
    let pid = fork(|| {
        let name = text("hidden");
        let arguments = [text("out-of-memory"), text("9")];
        let arguments = [
            arguments[0].as_ptr(),
            arguments[1].as_ptr(),
            std::ptr::null(),
        ];
        let environment: [*const libc::c_char; 1] = [std::ptr::null()];
        // SAFETY: plain system calls on objects of ours.
        unsafe {
            let fd = libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC);
            libc::write(fd, bytes.as_ptr().cast(), bytes.len());
            libc::fexecve(fd, arguments.as_ptr(), environment.as_ptr());
        }
        96
    });
    wait(pid).json()
}

/// In a mount namespace of its own: a tmpfs on `directory`, in it another, in that the program.
pub fn mounts(directory: &str, program: &str) -> Value {
    let bytes = std::fs::read(program).expect("the program");
    // SAFETY: this program has one thread.
    let error = unsafe { libc::unshare(libc::CLONE_NEWNS) };
    assert_eq!(error, 0, "unshare: {}", std::io::Error::last_os_error());
    mount(None, "/", libc::MS_REC | libc::MS_PRIVATE);
    mount(Some("tmpfs"), directory, 0);
    let inner = format!("{directory}/inner");
    std::fs::create_dir(&inner).expect("a directory");
    mount(Some("tmpfs"), &inner, 0);
    let nested = Path::new(&inner).join("deep/short");
    std::fs::create_dir(nested.parent().expect("a directory")).expect("a directory");
    let path = nested.to_str().expect("UTF-8");
    std::fs::write(path, bytes).expect("the program's copy");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(path, mode).expect("permissions");
    let ended = wait(spawn(&text(path), &[text("behind-mounts"), text("8")]));
    json!({"path": path, "ended": ended.json()})
}

fn mount(kind: Option<&str>, target: &str, flags: libc::c_ulong) {
    let kind: Option<CString> = kind.map(text);
    let kind = kind.as_ref().map_or(std::ptr::null(), |kind| kind.as_ptr());
    let target_text = text(target);
    // SAFETY: NUL-ended texts, or null.
    let error = unsafe { libc::mount(kind, target_text.as_ptr(), kind, flags, std::ptr::null()) };
    assert_eq!(
        error,
        0,
        "mount on {target}: {}",
        std::io::Error::last_os_error()
    );
}
