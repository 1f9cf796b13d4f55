//! Where a command's figures come from: a recorder that runs already, or a collection of its own.

use std::path::PathBuf;

use crate::{
    cli::{
        args::{Cli, Command},
        notice::notice,
    },
    collector::Start,
    config::Config,
    confine::Confinement,
    model::escape::terminal,
    viewers::{Link, LinkError, SOCKET, Welcome},
};

/// Names the socket in place of [`SOCKET`], as `--socket` does.
const VARIABLE: &str = "PROCWATCH_SOCKET";

pub(super) enum Source {
    Own(Start),
    Recorder(Box<Link>, Confinement),
}

impl Source {
    /// Has a collection of our own be as the command needs it; another's is as it is.
    pub(super) fn with(mut self, change: impl FnOnce(&mut Start)) -> Self {
        if let Self::Own(start) = &mut self {
            change(start);
        }
        self
    }

    /// What this process has given up so far.
    pub(super) const fn confinement(&self) -> &Confinement {
        match self {
            Self::Own(start) => &start.confinement,
            Self::Recorder(_, confinement) => confinement,
        }
    }

    /// The recorder that is looked at.
    pub(super) fn recorder(&self) -> Option<&Welcome> {
        match self {
            Self::Own(_) => None,
            Self::Recorder(link, _) => Some(&link.welcome),
        }
    }
}

/// Where the socket is.
pub(super) fn socket(cli: &Cli, config: &Config) -> PathBuf {
    named(cli, config).unwrap_or_else(|| SOCKET.into())
}

fn named(cli: &Cli, config: &Config) -> Option<PathBuf> {
    let variable = std::env::var_os(VARIABLE).filter(|path| !path.is_empty());
    let of_user = cli.collection.socket.clone();
    of_user
        .or_else(|| variable.map(PathBuf::from))
        .or_else(|| config.record.socket.clone())
}

/// The recorder to look at, if there is one and it has what is asked for. To be looked for before rights are given
/// up, with which sockets go.
///
/// # Errors
/// When the user has named a socket, and nobody can be looked at there.
pub(super) fn recorder(cli: &Cli, config: &Config) -> super::Result<Option<Link>> {
    if !is_wanted(cli) {
        return Ok(None);
    }
    let path = socket(cli, config);
    let shown = terminal(&path.display().to_string()).into_owned();
    let problem = match Link::open(&path) {
        Ok(link) => return Ok(is_fine_enough(cli, &link).then_some(link)),
        Err(problem) => problem,
    };
    if cli.collection.socket.is_some() {
        return Err(
            anyhow::Error::new(problem).context(format!("no recorder can be looked at by {shown}"))
        );
    }
    if !matches!(problem, LinkError::Nobody) {
        notice(format_args!(
            "procwatch: the recorder at {shown} cannot be looked at: {problem}; collecting here"
        ));
    }
    Ok(None)
}

/// Whether the command shows what a recorder has, and nothing is asked for that only a collection of its own does.
fn is_wanted(cli: &Cli) -> bool {
    let of_own = &cli.collection;
    let is_shaped = of_own.ring_buffer.is_some()
        || of_own.map_entries.is_some()
        || of_own.no_ebpf
        || of_own.no_redact;
    let shows = match &cli.command {
        None => !cli.top.pss,
        Some(Command::Top(args)) => !args.pss,
        Some(Command::Tree(args)) => !args.is_recorded(),
        Some(Command::Events(_) | Command::Connections(_) | Command::Status(_)) => true,
        Some(_) => false,
    };
    shows && !is_shaped && !of_own.standalone
}

/// Samples that are asked for more often than the recorder takes them are collected here.
fn is_fine_enough(cli: &Cli, link: &Link) -> bool {
    let asked = match &cli.command {
        None => cli.top.interval,
        Some(Command::Top(args)) => args.interval,
        Some(_) => None,
    };
    asked.is_none_or(|interval| interval.as_nanos() >= u128::from(link.welcome.interval_ns))
}
