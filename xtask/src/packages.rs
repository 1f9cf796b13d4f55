//! Debian packages: which ones a task needs, the file that proves each is there, and apt.
//!
//! A package counts as present when its file is, whoever put it there: a stat costs microseconds
//! where dpkg costs tens of milliseconds, and tools built by hand are respected.
//!
//! Deliberately absent: removing packages, and other distributions (they get told what is missing).

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};

use crate::{
    child::{self, Progress},
    privilege::Privilege,
    release::{Mirror, Release},
};

pub struct Package {
    pub name: &'static str,
    /// Proves that the package's content is there.
    pub proof: &'static str,
    pub why: &'static str,
}

/// A `rustc` that has the sources of `core`, for machines without a nightly that has them.
pub const TOOLCHAIN: &[Package] = &[
    Package {
        name: "rustc-web",
        proof: "/usr/bin/rustc",
        why: "compiles the kernel programs (replaces Debian's older rustc where installed)",
    },
    Package {
        name: "cargo-web",
        proof: "/usr/bin/cargo",
        why: "drives that compiler",
    },
    Package {
        name: "rust-web-src",
        proof: "/usr/lib/rustlib/src/rust/library/core",
        why: "sources of `core`, compiled for the BPF target",
    },
];

/// To compile bpf-linker against LLVM 22.
pub const LINKER: &[Package] = &[
    Package {
        name: "gcc",
        proof: "/usr/bin/cc",
        why: "links Rust programs for this machine",
    },
    Package {
        name: "libc6-dev",
        proof: "/usr/include/stdio.h",
        why: "the C library to link with",
    },
    Package {
        name: "llvm-22-dev",
        proof: "/usr/lib/llvm-22/include/llvm-c/Core.h",
        why: "the BPF code generator inside bpf-linker",
    },
    Package {
        name: "libpolly-22-dev",
        proof: "/usr/lib/llvm-22/lib/libPolly.a",
        why: "a part of LLVM 22 that bpf-linker links",
    },
    Package {
        name: "zlib1g-dev",
        proof: "/usr/include/zlib.h",
        why: "LLVM 22 links it",
    },
    Package {
        name: "libzstd-dev",
        proof: "/usr/include/zstd.h",
        why: "LLVM 22 links it",
    },
];

/// For tests and benches alone: loads to account for, and programs to compare with.
pub const TESTS: &[Package] = &[
    Package {
        name: "strace",
        proof: "/usr/bin/strace",
        why: "counts system calls, for traces to be compared with",
    },
    Package {
        name: "g++",
        proof: "/usr/bin/c++",
        why: "compiles the fuzzing engine",
    },
    Package {
        name: "stress-ng",
        proof: "/usr/bin/stress-ng",
        why: "mixed load in the balance test",
    },
    Package {
        name: "htop",
        proof: "/usr/bin/htop",
        why: "to compare the live view with",
    },
    Package {
        name: "chromium",
        proof: "/usr/bin/chromium",
        why: "looks at the page that a report is",
    },
    Package {
        name: "tmux",
        proof: "/usr/bin/tmux",
        why: "frames of the live view",
    },
    Package {
        name: "bpftool",
        proof: "/usr/sbin/bpftool",
        why: "checks that no kernel state stays behind",
    },
    Package {
        name: "procps",
        proof: "/usr/bin/top",
        why: "ps and top, to compare with",
    },
    Package {
        name: "util-linux",
        proof: "/usr/bin/unshare",
        why: "pid namespaces, for reused pids",
    },
    Package {
        name: "python3",
        proof: "/usr/bin/python3",
        why: "workloads with threads",
    },
    Package {
        name: "python3-aiosmtpd",
        proof: "/usr/lib/python3/dist-packages/aiosmtpd/smtp.py",
        why: "a mail server that alerts are sent to",
    },
    Package {
        name: "openssl",
        proof: "/usr/bin/openssl",
        why: "certificates of the receivers of alerts, right and wrong",
    },
    Package {
        name: "mount",
        proof: "/usr/sbin/losetup",
        why: "block devices of the tests' own",
    },
    Package {
        name: "e2fsprogs",
        proof: "/usr/sbin/mkfs.ext4",
        why: "file systems on them",
    },
    Package {
        name: "fio",
        proof: "/usr/bin/fio",
        why: "measures block devices, to compare with",
    },
    Package {
        name: "time",
        proof: "/usr/bin/time",
        why: "tells memory and page faults, to compare with",
    },
    Package {
        name: "iperf3",
        proof: "/usr/bin/iperf3",
        why: "throughput over loopback, with and without us",
    },
    Package {
        name: "nginx-light",
        proof: "/usr/sbin/nginx",
        why: "a server under load, with and without us",
    },
    Package {
        name: "wrk",
        proof: "/usr/bin/wrk",
        why: "that load",
    },
];

/// To boot other kernels.
pub const EMULATION: &[Package] = &[
    Package {
        name: "qemu-system-x86",
        proof: "/usr/bin/qemu-system-x86_64",
        why: "emulates the machine that another kernel boots on",
    },
    Package {
        name: "busybox-static",
        proof: "/bin/busybox",
        why: "shell and mounts of that machine",
    },
    Package {
        name: "cpio",
        proof: "/usr/bin/cpio",
        why: "packs what that kernel unpacks into its first file system",
    },
    Package {
        name: "e2fsprogs",
        proof: "/usr/sbin/mke2fs",
        why: "makes the file system on that machine's disk",
    },
    Package {
        name: "xz-utils",
        proof: "/usr/bin/xz",
        why: "unpacks kernel modules",
    },
];

/// The packages of `table` whose content is not there.
pub fn missing(table: &'static [Package]) -> Vec<&'static Package> {
    table
        .iter()
        .filter(|package| !Path::new(package.proof).exists())
        .collect()
}

/// Installs `packages` in one go; does nothing, and starts no process, when there are none.
pub fn install(packages: &[&Package]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let privilege = prepare(packages)?;
    apt_get(privilege, &install_arguments(&[], packages)).context(
        "installing Debian packages\ntry: read apt's messages above; Rust and LLVM 22 come from \
         Debian 12's security suite (bookworm-security main)",
    )?;
    check(packages)
}

/// The same, but nothing that is installed has to go for them: where it would, because it is from
/// backports, they are from there too.
pub fn install_beside(packages: &[&Package]) -> Result<()> {
    const STAY: &str = "--no-remove";
    if packages.is_empty() {
        return Ok(());
    }
    let privilege = prepare(packages)?;
    if let Err(error) = apt_get(privilege, &install_arguments(&[STAY], packages)) {
        eprintln!("xtask: taking backports, which fit what is installed: {error:#}");
        let mirror = Mirror::of_this_machine()?;
        let suite = format!("{}-backports", mirror.codename);
        let directory = child::cache()?.join("backports");
        let release = Release::fetch(&mirror, &[&mirror.codename, &suite], &directory)?;
        let options = release.options();
        let mut beside = vec![STAY, "-t", &suite];
        beside.extend(options.iter().map(String::as_str));
        apt_get(privilege, &install_arguments(&beside, packages)).context(
            "installing Debian packages beside those that are there\ntry: read apt's messages above, \
             and install them by hand",
        )?;
        // Parts of it are root's where sudo was needed. What stays is in a cache.
        let _ = fs::remove_dir_all(&directory);
    }
    check(packages)
}

/// Says what will be installed, and fetches the package lists.
fn prepare(packages: &[&Package]) -> Result<Privilege> {
    for package in packages {
        eprintln!("xtask: installing {}: {}", package.name, package.why);
    }
    let names: Vec<&str> = packages.iter().map(|package| package.name).collect();
    if child::find("apt-get").is_none() {
        bail!(
            "this system has no apt-get, and these Debian packages are missing: {}\n\
             try: install what they stand for with this system's own package manager",
            names.join(" ")
        );
    }
    let privilege = Privilege::of_this_process();
    if privilege == Privilege::User {
        bail!(
            "installing Debian packages needs root, and there is no sudo here\n\
             try: apt-get install {}, as root",
            names.join(" ")
        );
    }
    if let Err(error) = apt_get(privilege, &["update"]) {
        eprintln!("xtask: going on with the package lists at hand: {error:#}");
    }
    Ok(privilege)
}

fn install_arguments<'a>(options: &[&'a str], packages: &[&Package]) -> Vec<&'a str> {
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(options);
    arguments.extend(packages.iter().map(|package| package.name));
    arguments
}

fn check(packages: &[&Package]) -> Result<()> {
    for package in packages {
        if !Path::new(package.proof).exists() {
            bail!(
                "{} is installed, but {} is not there\ntry: apt-get install --reinstall {}",
                package.name,
                package.proof,
                package.name
            );
        }
    }
    Ok(())
}

/// apt-get that asks nothing and waits for another apt to finish.
fn apt_get(privilege: Privilege, arguments: &[&str]) -> Result<()> {
    let mut env = privilege.command("env");
    env.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"])
        .args(["-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"])
        .args(arguments);
    child::succeed(&mut env, Progress::Hide)
}
