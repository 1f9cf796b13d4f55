//! The first file system of a guest: an archive that its kernel unpacks into memory.
//!
//! Part of it are files of this machine, at the paths that they have here, for the tests have paths of
//! programs compiled in. The rest is below `/guest`, which no machine has.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write as _},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{PermissionsExt as _, symlink},
    },
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, bail};

use super::{closure::Closure, images::Image, modules, programs::Programs};
use crate::child;

/// Started by the kernel as pid 1.
const INIT: &str = include_str!("init");
const BUSYBOX: &str = "/bin/busybox";
/// All that the tests ask for: two users with a name.
const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/false\n";
const DIRECTORIES: &[&str] = &[
    "dev",
    "etc",
    "guest/modules",
    "proc",
    "root",
    "run",
    "sys",
    "tmp",
];

/// What all guests have in common.
pub struct Userland {
    archive: PathBuf,
}

impl Userland {
    /// Packs `programs`, the tests to be run with `arguments`, into a file in `directory`.
    pub fn pack(programs: &Programs, arguments: &[OsString], directory: &Path) -> Result<Self> {
        let packing = "packing what the guests run";
        let archive = directory.join("userland.cpio");
        let mut output = create(&archive)?;
        files_of_this_machine(programs, &mut output).context(packing)?;
        let tree = fresh_tree(&directory.join("userland"))?;
        lay_out(&tree, programs, arguments)
            .and_then(|()| pack_tree(&tree, &mut output))
            .context(packing)?;
        Ok(Self { archive })
    }

    /// The whole archive of one guest, in `place`: the kernel takes several, one behind the other.
    pub fn with_modules_of(&self, image: &Image, place: &Path) -> Result<PathBuf> {
        let tree = fresh_tree(&place.join("tree"))?;
        let modules = tree.join("guest/modules");
        fs::create_dir_all(&modules).with_context(|| format!("making {}", modules.display()))?;
        let mut order = modules::copy(&image.modules, &modules)?.join("\n");
        order.push('\n');
        write(&modules.join("order"), order.as_bytes())?;
        let archive = place.join("initramfs");
        let mut output = create(&archive)?;
        File::open(&self.archive)
            .and_then(|mut userland| io::copy(&mut userland, &mut output))
            .with_context(|| format!("writing {}", archive.display()))?;
        pack_tree(&tree, &mut output)?;
        Ok(archive)
    }
}

fn files_of_this_machine(programs: &Programs, output: &mut File) -> Result<()> {
    let mut files = Closure::default();
    files.add_program(Path::new(BUSYBOX))?;
    for program in programs.all() {
        files.add_program(program)?;
    }
    let mut names = Vec::new();
    for path in files.paths() {
        let name = path.strip_prefix("/").unwrap_or(path);
        names.extend_from_slice(name.as_os_str().as_bytes());
        names.push(0);
    }
    pack(Path::new("/"), &names, output)
}

fn lay_out(tree: &Path, programs: &Programs, arguments: &[OsString]) -> Result<()> {
    for directory in DIRECTORIES {
        let directory = tree.join(directory);
        fs::create_dir_all(&directory)
            .with_context(|| format!("making {}", directory.display()))?;
    }
    let init = tree.join("init");
    write(&init, INIT.as_bytes())?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("making {} executable", init.display()))?;
    write(&tree.join("etc/passwd"), PASSWD.as_bytes())?;
    let mut lines = Vec::new();
    for argument in arguments {
        lines.extend_from_slice(argument.as_bytes());
        lines.push(b'\n');
    }
    write(&tree.join("guest/arguments"), &lines)?;
    for (name, target) in [
        ("procwatch", &programs.procwatch),
        ("tests", &programs.tests),
        ("scratch", &programs.scratch),
    ] {
        let link = tree.join("guest").join(name);
        symlink(target, &link).with_context(|| format!("linking {}", link.display()))?;
    }
    Ok(())
}

/// Packs all that is below `tree`.
fn pack_tree(tree: &Path, output: &mut File) -> Result<()> {
    let mut find = child::command("find");
    find.arg(tree).args(["-mindepth", "1", "-printf", "%P\\0"]);
    pack(tree, child::output(&mut find)?.as_bytes(), output)
}

/// Appends files, whose NUL-ended names are relative to `root`, as an archive of what root owns.
fn pack(root: &Path, names: &[u8], output: &mut File) -> Result<()> {
    let packing = || format!("packing files of {}", root.display());
    let output = output.try_clone().with_context(packing)?;
    let mut cpio = child::command("cpio")
        .args([
            "--create",
            "--null",
            "--quiet",
            "--format=newc",
            "--owner=+0:+0",
        ])
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(output)
        .spawn()
        .context("starting cpio")?;
    if let Some(mut input) = cpio.stdin.take() {
        input.write_all(names).with_context(packing)?;
    }
    let status = cpio.wait().with_context(packing)?;
    if !status.success() {
        bail!(
            "{}: cpio ended with {status}\ntry: read its message above",
            packing()
        );
    }
    Ok(())
}

/// An empty directory at that path.
fn fresh_tree(path: &Path) -> Result<PathBuf> {
    let _ = fs::remove_dir_all(path);
    fs::create_dir_all(path).with_context(|| format!("making {}", path.display()))?;
    Ok(path.to_owned())
}

fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("writing {}", path.display()))
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    fs::write(path, content).with_context(|| format!("writing {}", path.display()))
}
