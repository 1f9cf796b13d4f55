//! A Debian release other than the machine's own, on the mirror that the machine's own apt uses.
//!
//! Its lists and packages lie in a directory of the caller's; the system's apt is not changed.
//!
//! Deliberately absent: names of mirrors. A machine that reaches no mirror has no kernels to boot.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::child::{self, Progress};

/// Of the package debian-archive-keyring; apt itself trusts fewer releases than it holds.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Where the machine's own apt gets Debian from.
pub struct Mirror {
    uri: String,
    /// Of the release that is installed, e.g. "bookworm".
    pub codename: String,
}

impl Mirror {
    pub fn of_this_machine() -> Result<Self> {
        let targets = child::answer(child::command("apt-get").args([
            "indextargets",
            "--format",
            "$(LABEL)|$(COMPONENT)|$(CODENAME)|$(REPO_URI)",
            "Created-By: Packages",
        ]));
        targets.as_deref().and_then(Self::parse).context(
            "apt knows no mirror of Debian\ntry: apt-get update, as root, on a Debian whose apt has a source of it",
        )
    }

    /// The first line that is of Debian itself: not its security suite, and no `-updates`.
    fn parse(targets: &str) -> Option<Self> {
        targets.lines().find_map(|line| {
            let fields: Vec<&str> = line.split('|').collect();
            match fields.as_slice() {
                ["Debian", "main", codename, uri] if !codename.contains('-') => Some(Self {
                    uri: (*uri).to_owned(),
                    codename: (*codename).to_owned(),
                }),
                _ => None,
            }
        })
    }
}

/// The package lists of one or more suites, as of when they were fetched.
pub struct Release {
    directory: PathBuf,
}

impl Release {
    /// Fetches the lists of `suites` into `directory`, which is made.
    pub fn fetch(mirror: &Mirror, suites: &[&str], directory: &Path) -> Result<Self> {
        for part in ["lists/partial", "archives/partial"] {
            let part = directory.join(part);
            fs::create_dir_all(&part).with_context(|| format!("making {}", part.display()))?;
        }
        let mut sources = String::new();
        for suite in suites {
            let uri = &mirror.uri;
            sources += &format!("deb [arch=amd64 signed-by={KEYRING}] {uri} {suite} main\n");
        }
        let release = Self {
            directory: directory.to_owned(),
        };
        let list = release.sources();
        fs::write(&list, sources).with_context(|| format!("writing {}", list.display()))?;
        child::succeed(release.apt("apt-get").arg("update"), Progress::Hide).with_context(|| {
            format!(
                "fetching the package lists of {}\ntry: read apt's messages above; the machine's mirror must carry \
                 that release, and the package debian-archive-keyring its key",
                suites.join(" and ")
            )
        })?;
        Ok(release)
    }

    /// The packages whose names start like that.
    pub fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let mut apt = self.apt("apt-cache");
        apt.args(["pkgnames", prefix]);
        let names = child::answer(&mut apt)
            .with_context(|| format!("`{}` failed", child::line_of(&apt)))?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// Unpacks packages below `root`. Nothing is installed, and no script of theirs is run.
    pub fn unpack(&self, packages: &[String], root: &Path) -> Result<()> {
        let archives = self.directory.join("archives");
        child::succeed(
            self.apt("apt-get")
                .arg("download")
                .args(packages)
                .current_dir(&archives),
            Progress::Hide,
        )
        .context("downloading packages\ntry: the same again; else read apt's messages above")?;
        for entry in fs::read_dir(&archives).context("listing what was downloaded")? {
            let package = entry.context("listing what was downloaded")?.path();
            if package
                .extension()
                .is_some_and(|extension| extension == "deb")
            {
                let mut dpkg = child::command("dpkg");
                child::succeed(dpkg.arg("-x").arg(&package).arg(root), Progress::Hide)
                    .context("unpacking a package\ntry: make room on that disk")?;
            }
        }
        Ok(())
    }

    /// What makes `apt-get install` look here, and not into the system's own lists.
    pub fn options(&self) -> Vec<String> {
        let directory = self.directory.display();
        let mut options = Vec::new();
        for option in [
            format!("Dir::Etc::SourceList={}", self.sources().display()),
            "Dir::Etc::SourceParts=-".to_owned(),
            format!("Dir::State::Lists={directory}/lists"),
            format!("Dir::Cache={directory}"),
            // The user that apt steps down to may not write here.
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
        ] {
            options.extend(["-o".to_owned(), option]);
        }
        options
    }

    fn sources(&self) -> PathBuf {
        self.directory.join("sources.list")
    }

    fn apt(&self, program: &str) -> Command {
        let mut apt = child::command(program);
        apt.arg("-qq").args(self.options());
        apt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirror_is_that_of_debian_itself() {
        let targets = "Other|main|stable|https://other.invalid/apt/\n\
                       Debian|main|bookworm-updates|http://mirror.invalid/debian/\n\
                       Debian-Security|main|bookworm-security|http://mirror.invalid/security/\n\
                       Debian|main|bookworm|http://mirror.invalid/debian/\n";
        let mirror = Mirror::parse(targets).expect("a mirror");
        assert_eq!(mirror.codename, "bookworm");
        assert_eq!(mirror.uri, "http://mirror.invalid/debian/");
        assert!(Mirror::parse("||bookworm|http://mirror.invalid/debian/\n").is_none());
    }
}
