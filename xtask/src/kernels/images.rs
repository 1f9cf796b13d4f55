//! Kernels of Debian's releases: fetched once as packages, unpacked into a cache, never installed.
//!
//! Deliberately absent: newer builds of a kernel that is at hand. Its directory can be removed, and the
//! next run fetches what the release has by then.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::Kernel;
use crate::{
    child,
    release::{Mirror, Release},
};

/// Small, and with the same features as Debian's other builds where procwatch looks.
const FLAVOUR: &str = "-cloud-amd64";

pub struct Image {
    /// What `uname -r` says, e.g. "6.1.0-50-cloud-amd64".
    pub release: String,
    pub vmlinuz: PathBuf,
    pub modules: PathBuf,
}

impl Image {
    /// The cached one; else it is fetched.
    pub fn at_hand(kernel: &Kernel) -> Result<Self> {
        let place = child::cache()?.join("kernels").join(kernel.name);
        if !place.exists() {
            fetch(kernel, &place).with_context(|| format!("fetching kernel {}", kernel.name))?;
        }
        Self::of(&place).with_context(|| {
            let place = place.display();
            format!("{place} holds no kernel\ntry: remove it, and the same command again")
        })
    }

    /// Where packages put the image differs between releases.
    fn of(place: &Path) -> Option<Self> {
        let modules = ["lib/modules", "usr/lib/modules"]
            .iter()
            .find_map(|directory| fs::read_dir(place.join(directory)).ok()?.next()?.ok())?
            .path();
        let release = modules.file_name()?.to_str()?.to_owned();
        let vmlinuz = [
            place.join(format!("boot/vmlinuz-{release}")),
            modules.join("vmlinuz"),
        ]
        .into_iter()
        .find(|path| path.is_file())?;
        Some(Self {
            release,
            vmlinuz,
            modules,
        })
    }
}

fn fetch(kernel: &Kernel, place: &Path) -> Result<()> {
    let (name, suite) = (kernel.name, kernel.suite);
    // Complete or not there, also when this is interrupted.
    let partial = place.with_extension("partial");
    let _ = fs::remove_dir_all(&partial);
    let lists = partial.join("lists");
    let root = partial.join("root");
    fs::create_dir_all(&root).with_context(|| format!("making {}", root.display()))?;

    let release = Release::fetch(&Mirror::of_this_machine()?, &[suite], &lists)?;
    let images = release.names(&format!("linux-image-{name}."))?;
    let newest = newest(&images, kernel).with_context(|| {
        format!(
            "{suite} has no kernel {name}\ntry: another kernel; the releases move on, and then KERNELS in \
             xtask/src/kernels/mod.rs must"
        )
    })?;
    // Newer releases have the image and its modules in packages of their own.
    let mut packages = vec![format!("linux-image-{newest}")];
    for part in ["linux-binary-", "linux-modules-"] {
        let part = format!("{part}{newest}");
        packages.extend(
            release
                .names(&part)?
                .into_iter()
                .filter(|name| *name == part),
        );
    }
    println!("fetching {} from {suite}", packages.join(" "));
    release.unpack(&packages, &root)?;
    fs::rename(&root, place)
        .with_context(|| format!("moving the kernel to {}", place.display()))?;
    // Tens of megabytes of lists and packages that nothing needs any more.
    let _ = fs::remove_dir_all(&partial);
    Ok(())
}

/// The newest release of `kernel` among packages, e.g. "6.1.0-50-cloud-amd64".
fn newest(packages: &[String], kernel: &Kernel) -> Option<String> {
    packages
        .iter()
        .filter_map(|package| package.strip_prefix("linux-image-"))
        .filter(|release| {
            let rest = release.strip_prefix(kernel.name);
            rest.is_some_and(|rest| rest.starts_with('.')) && release.ends_with(FLAVOUR)
        })
        .max_by_key(|release| numbers(release))
        .map(str::to_owned)
}

/// The numbers in a version, for its order: 6.12.9 is before 6.12.10.
fn numbers(version: &str) -> Vec<u64> {
    version
        .split(|character: char| !character.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_is_by_number_and_of_this_kernel_and_flavour() {
        let kernel = Kernel {
            name: "6.1",
            suite: "bookworm",
        };
        let packages = [
            "linux-image-6.1.0-9-cloud-amd64",
            "linux-image-6.1.0-50-cloud-amd64",
            "linux-image-6.1.0-51-cloud-amd64-dbg",
            "linux-image-6.1.0-52-amd64",
            "linux-image-6.12.94+deb13-cloud-amd64",
        ];
        assert_eq!(
            newest(&packages.map(str::to_owned), &kernel).as_deref(),
            Some("6.1.0-50-cloud-amd64")
        );
        assert_eq!(newest(&[], &kernel), None);
    }
}
