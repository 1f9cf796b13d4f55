//! The shortest process there is: a static program of 160 bytes that ends with the number that its first
//! argument is. A storm of it is a harder test than one of /bin/true, which takes four times as long.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

const LOAD_ADDRESS: u64 = 0x40_0000;
const HEADERS: u64 = 64 + 56;

/// `_exit(atoi(argv[1]))`.
#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
#[cfg(target_arch = "x86_64")]
const CODE: &[u8] = &[
    0x31, 0xff, // xor edi, edi
    0x48, 0x83, 0x3c, 0x24, 0x02, // cmp qword [rsp], 2     ; argc
    0x7c, 0x18, // jl done
    0x48, 0x8b, 0x74, 0x24, 0x10, // mov rsi, [rsp + 16]    ; argv[1]
    0x0f, 0xb6, 0x06, // digit: movzx eax, byte [rsi]
    0x2c, 0x30, // sub al, '0'
    0x3c, 0x09, // cmp al, 9
    0x77, 0x0a, // ja done
    0x6b, 0xff, 0x0a, // imul edi, edi, 10
    0x01, 0xc7, // add edi, eax
    0x48, 0xff, 0xc6, // inc rsi
    0xeb, 0xed, // jmp digit
    0xb8, 0xe7, 0x00, 0x00, 0x00, // done: mov eax, 231     ; exit_group
    0x0f, 0x05, // syscall
];

/// `_exit(atoi(argv[1]))`.
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;
#[cfg(target_arch = "aarch64")]
const CODE: &[u8] = &[
    0x00, 0x00, 0x80, 0xd2, // mov x0, 0
    0xe1, 0x03, 0x40, 0xf9, // ldr x1, [sp]                 ; argc
    0x3f, 0x08, 0x00, 0xf1, // cmp x1, 2
    0x2b, 0x01, 0x00, 0x54, // b.lt done
    0xe1, 0x0b, 0x40, 0xf9, // ldr x1, [sp, 16]             ; argv[1]
    0x43, 0x01, 0x80, 0xd2, // mov x3, 10
    0x22, 0x14, 0x40, 0x38, // digit: ldrb w2, [x1], 1
    0x42, 0xc0, 0x00, 0x51, // sub w2, w2, '0'
    0x5f, 0x24, 0x00, 0x71, // cmp w2, 9
    0x68, 0x00, 0x00, 0x54, // b.hi done
    0x00, 0x08, 0x03, 0x9b, // madd x0, x0, x3, x2
    0xfb, 0xff, 0xff, 0x17, // b digit
    0xc8, 0x0b, 0x80, 0xd2, // done: mov x8, 94             ; exit_group
    0x01, 0x00, 0x00, 0xd4, // svc 0
];

/// A directory that every user may look into.
///
/// # Panics
/// When it cannot be made.
pub fn directory() -> TempDir {
    let directory = tempfile::Builder::new()
        .prefix("procwatch-test-")
        .tempdir()
        .expect("a temporary directory");
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755))
        .expect("permissions of a directory of our own");
    directory
}

/// Writes the program into a directory.
///
/// # Panics
/// When it cannot be written.
pub fn program(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(name);
    write(&path);
    path
}

/// Writes the program to a path.
///
/// # Panics
/// When it cannot be written.
pub fn write(path: &Path) {
    std::fs::write(path, elf()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
        .expect("permissions of a file of our own");
}

/// An ELF file of one loaded segment (elf(5)).
fn elf() -> Vec<u8> {
    let length = HEADERS + CODE.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
    let word = |file: &mut Vec<u8>, value: u32| file.extend(value.to_le_bytes());
    let long = |file: &mut Vec<u8>, value: u64| file.extend(value.to_le_bytes());
    half(&mut file, 2); // ET_EXEC
    half(&mut file, MACHINE);
    word(&mut file, 1); // EV_CURRENT
    long(&mut file, LOAD_ADDRESS + HEADERS); // the entry
    long(&mut file, 64); // program headers
    long(&mut file, 0); // no section headers
    word(&mut file, 0); // flags
    for size in [64, 56, 1, 0, 0, 0] {
        half(&mut file, size);
    }
    word(&mut file, 1); // PT_LOAD
    word(&mut file, 5); // readable and executable
    long(&mut file, 0);
    long(&mut file, LOAD_ADDRESS);
    long(&mut file, LOAD_ADDRESS);
    long(&mut file, length);
    long(&mut file, length);
    long(&mut file, 0x1000);
    assert_eq!(file.len() as u64, HEADERS, "the headers have their size");
    file.extend(CODE);
    file
}
