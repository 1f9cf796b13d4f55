//! Drives the edges and keeps the books: kernel records, passes and /proc go into one ledger, samples
//! come out.
//!
//! Where eBPF is refused the same ledger is kept from /proc alone. The collector knows no channel, no
//! terminal and no other thread; the agent gives it its time.

mod clock;
mod names;
mod own_cost;
mod proc_side;
mod requests;
mod status;

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
    time::{Duration, Instant},
};

use hashbrown::HashSet;

pub use clock::Now;
pub use own_cost::{Cost, OwnCost};
pub use requests::{Answer, Hands, Request, Standing, act};

pub use status::Status;

pub use crate::kernel::{Probe, ProbeState, RunsIn, Usage};
pub use crate::procfs::{MemoryLimits, open_files};

use self::names::HostNames;
use crate::{
    confine::Confinement,
    kernel::{AttachError, Figures, Options, PROBES, Session},
    model::{
        connection::Connection,
        event::Event,
        identity::ProcessId,
        ledger::Ledger,
        observation::PassScope,
        redact::Redactor,
        sample::{
            CoreSample, HostSample, Losses, ProcessSample, Sample, Source, SourceState, Sources,
        },
        shed::{Limits, Shed},
        totals::Totals,
        tree::ForkTree,
    },
    procfs::{DiskNames, ProcRoot, host_sample},
};

/// Between two passes over all threads; in between only those that have run are looked at.
const FULL_PASS_INTERVAL_NS: u64 = 5_000_000_000;
/// Between two comparisons of the living set with /proc.
const HOLE_SEARCH_INTERVAL_NS: u64 = 30_000_000_000;

/// Between two passes while the last accounts are waited for: longer than a record can be hidden.
const SETTLE_PASS_INTERVAL: Duration = Duration::from_millis(250);

/// How to start collecting.
#[derive(Clone, Debug)]
pub struct Start {
    pub kernel: Options,
    pub source: SourceChoice,
    /// Whether each sample is to have every process's proportional set size: the kernel walks all of their
    /// pages for it.
    pub pss: bool,
    /// What collection may cost: detail is left out before it costs more.
    pub limits: Limits,
    /// Of the collecting thread, where it has the right to it.
    pub niceness: i32,
    /// Takes secrets out of command lines. `None` to leave them in.
    pub redactor: Option<Redactor>,
    /// What this process has given up, and is to give up once everything is attached.
    pub confinement: Confinement,
}

/// Which sources to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceChoice {
    /// eBPF where the host lets us, else /proc.
    Best,
    /// /proc, as if eBPF had been refused.
    ProcfsOnly,
}

/// What a sample is to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Every thread of the host.
    Full,
    /// What has run since the last sample; every thread every few seconds, and after any loss.
    Economical,
}

/// The books, and what fills them.
pub struct Collector {
    session: Option<Session>,
    /// Why there is no session.
    refusal: Option<Refusal>,
    ledger: Ledger,
    proc: ProcRoot,
    names: HostNames,
    disks: DiskNames,
    /// All the detail that was asked for.
    wanted: Wanted,
    shed: Shed,
    /// Living processes that passes leave out, as some kernels do with pid 1.
    holes: HashSet<ProcessId>,
    /// Processes that were missing from the last pass, and may have a record on its way.
    unsettled: usize,
    full_pass_due_ns: u64,
    hole_search_due_ns: u64,
    losses: Losses,
    nameless: Totals,
    output_loss: u64,
}

/// Detail that takes being asked for.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    pss: bool,
    connection_events: bool,
}

#[derive(Debug)]
enum Refusal {
    /// As the user asked.
    Chosen,
    /// /proc numbers the processes of our namespace, the kernel those of the host.
    OtherPidNamespace,
    /// /proc dates starts by a clock whose distance from the kernel's is unknown.
    OtherTimeNamespace,
    Attach(AttachError),
}

impl Refusal {
    /// What a probe came to, given that collection does without eBPF.
    fn state_of(&self, probe: &Probe) -> ProbeState {
        match self {
            Self::Attach(AttachError::Attach { program, .. }) if *program != probe.program => {
                ProbeState::Unsupported {
                    reason: format!("it needs {program}, which failed"),
                }
            }
            Self::Attach(error) => ProbeState::of_refusal(error),
            Self::Chosen | Self::OtherPidNamespace | Self::OtherTimeNamespace => {
                ProbeState::Unsupported {
                    reason: self.to_string(),
                }
            }
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Chosen => out.write_str("/proc alone was asked for"),
            Self::OtherPidNamespace => out.write_str(
                "this is not the host's pid namespace; run on the host, or in a container with \
                 --pid=host",
            ),
            Self::OtherTimeNamespace => out.write_str(
                "whoever started procwatch has left its time namespace, and not forked since; try \
                 `unshare --time --fork`",
            ),
            Self::Attach(error) => error.fmt(out),
        }
    }
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Collector")
            .field("refusal", &self.refusal)
            .finish_non_exhaustive()
    }
}

/// The random name of the host's boot: processes of different boots cannot be told apart without it. `None` where
/// /proc does not tell.
pub fn boot_id() -> Option<String> {
    ProcRoot::new("/proc").ok()?.boot_id()
}

impl Collector {
    /// Attaches what the host allows.
    ///
    /// # Errors
    /// When not even /proc can be read.
    pub fn start(start: Start) -> io::Result<Self> {
        let proc = ProcRoot::new("/proc").map_err(io::Error::other)?;
        if !proc.shows_processes() {
            return Err(io::Error::other(
                "there are no processes in /proc; try `mount -t proc proc /proc`",
            ));
        }
        let attached = match start.source {
            SourceChoice::ProcfsOnly => Err(Refusal::Chosen),
            SourceChoice::Best if !proc.in_initial_pid_namespace() => {
                Err(Refusal::OtherPidNamespace)
            }
            SourceChoice::Best if !proc.tells_boot_time() => Err(Refusal::OtherTimeNamespace),
            SourceChoice::Best => Session::start(start.kernel).map_err(Refusal::Attach),
        };
        let (session, refusal) = match attached {
            Ok(session) => (Some(session), None),
            Err(refusal) => (None, Some(refusal)),
        };
        let names = HostNames::new(&proc);
        let mut collector = Self {
            session,
            refusal,
            ledger: Ledger::default(),
            proc,
            names,
            disks: DiskNames::default(),
            wanted: Wanted {
                pss: start.pss,
                connection_events: start.kernel.connections,
            },
            shed: Shed::NOTHING,
            holes: HashSet::new(),
            unsettled: 0,
            full_pass_due_ns: 0,
            hole_search_due_ns: 0,
            losses: Losses::default(),
            nameless: Totals::ZERO,
            output_loss: 0,
        };
        let watching_since_ns = collector.start_of_look(Now::read().boot_ns);
        let unmeasured = collector
            .session
            .as_ref()
            .map_or_else(Vec::new, Session::unmeasured);
        collector.ledger =
            Ledger::watching_since(watching_since_ns, &unmeasured).redacting(start.redactor);
        Ok(collector)
    }

    /// Readable when the backlog of records wants draining. `None` without eBPF.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn wakeup_fd(&self) -> io::Result<Option<OwnedFd>> {
        let fd = self
            .session
            .as_ref()
            .map(|session| session.as_fd().try_clone_to_owned());
        fd.transpose()
    }

    /// Takes the records that wait, and returns how many there were.
    pub fn drain(&mut self, tell: &mut dyn FnMut(Event)) -> u64 {
        let Some(session) = &mut self.session else {
            return 0;
        };
        self.names.set_time(Now::read().boot_ns);
        let (ledger, names) = (&mut self.ledger, &mut self.names);
        session.drain(|observation| ledger.observe(observation, names, tell))
    }

    /// One dated sample.
    ///
    /// # Errors
    /// When the kernel breaks off a pass, or /proc cannot be read.
    pub fn sample(
        &mut self,
        freshness: Freshness,
        tell: &mut dyn FnMut(Event),
    ) -> io::Result<Sample> {
        let began_ns = self.start_of_look(Now::read().boot_ns);
        let Dated { now, host, cores } = if self.session.is_some() {
            self.pass(freshness, tell)?
        } else {
            self.read_all_from_proc(tell)?
        };
        let mut devices = match &self.session {
            Some(session) => session.devices()?,
            None => Vec::new(),
        };
        for device in &mut devices {
            device.name = self.disks.name(&self.proc, device.number);
        }
        let mut processes = self.ledger.take_processes();
        if self.wanted.pss && !self.shed.pss {
            for process in processes.iter_mut().filter(|one| one.rss_bytes.is_some()) {
                process.pss_bytes = self.proc.pss_bytes(process.id);
            }
        }
        Ok(Sample {
            time_ns: now.wall_ns,
            boot_time_ns: now.boot_ns,
            began_ns,
            host,
            cores,
            devices,
            interfaces: self.proc.interfaces(),
            processes,
            nameless: self.nameless,
            loss: self.losses(),
            sources: self.sources(),
            shed: self.shed,
        })
    }

    /// A time as processes' starts are told: exact, or cut off to a tick where /proc tells them.
    fn start_of_look(&self, boot_ns: u64) -> u64 {
        match self.session {
            Some(_) => boot_ns,
            None => self.proc.as_told(boot_ns),
        }
    }

    fn pass(&mut self, freshness: Freshness, tell: &mut dyn FnMut(Event)) -> io::Result<Dated> {
        let losses_before = self.losses;
        self.read_losses(Session::losses)?;
        let now = Now::read();
        let is_full = freshness == Freshness::Full
            || now.boot_ns >= self.full_pass_due_ns
            || losses_before != self.losses;
        let scope = if is_full {
            PassScope::All
        } else {
            PassScope::Active
        };
        if is_full {
            self.full_pass_due_ns = now.boot_ns + FULL_PASS_INTERVAL_NS;
        }
        self.names.set_time(now.boot_ns);
        self.ledger.begin_pass(scope, now.boot_ns);
        let (ledger, names) = (&mut self.ledger, &mut self.names);
        let Some(session) = &mut self.session else {
            return Ok(dated(&self.proc));
        };
        if is_full {
            // Late figures of streams, and not wrong ones: the next time makes up for a pass that failed.
            let _ = session.settle_streams();
        }
        if session
            .pass(scope, |thread| ledger.thread_seen(&thread, names))
            .is_err()
        {
            // What it had handed over counts as handed over: only a pass over all makes up for the rest.
            self.full_pass_due_ns = 0;
            ledger.begin_pass(PassScope::All, now.boot_ns);
            session.pass(PassScope::All, |thread| ledger.thread_seen(&thread, names))?;
        }
        let taken = dated(&self.proc);
        // What ended before the pass came by has its record in the ring by now, but for one that is
        // being written, and those behind it.
        session.drain(|observation| ledger.observe(observation, names, tell));
        session.drain_unsent(|observation| ledger.observe(observation, names, tell))?;
        let missing = ledger.end_pass(now.boot_ns, names, tell);
        self.unsettled = 0;
        for id in missing {
            if self.fill_hole(id, tell) {
                continue;
            }
            if self.ledger.is_missing_for_long(id, now.boot_ns) {
                self.ledger.vanished(id, tell);
            } else {
                // Settled by the next pass, unless its record is there by then.
                self.full_pass_due_ns = 0;
                self.unsettled += 1;
            }
        }
        if let Some(session) = &mut self.session {
            for id in self.ledger.take_unreleased() {
                session.forget(id);
            }
        }
        if is_full && now.boot_ns >= self.hole_search_due_ns {
            self.hole_search_due_ns = now.boot_ns + HOLE_SEARCH_INTERVAL_NS;
            self.search_holes(now.boot_ns, tell)?;
        } else if !is_full {
            let holes: Vec<_> = self.holes.iter().copied().collect();
            for id in holes {
                self.fill_hole(id, tell);
            }
        }
        self.learn_facts();
        self.read_losses(Session::losses)?;
        Ok(taken)
    }

    /// Gives the closing records of what has already exited time to arrive, then closes the books. After
    /// a storm the kernel needs seconds to free what has ended. `is_impatient` cuts the wait short. Returns the rows
    /// of those whose accounts were closed meanwhile: no later sample has them.
    ///
    /// # Errors
    /// As [`Self::sample`].
    pub fn settle(
        &mut self,
        patience: Duration,
        is_impatient: &dyn Fn() -> bool,
        tell: &mut dyn FnMut(Event),
    ) -> io::Result<Vec<ProcessSample>> {
        let mut ended = Vec::new();
        // What happens from here on is for others to tell.
        let stop_ns = Now::read().boot_ns;
        let tell = &mut |event: Event| {
            if event.time_ns.is_none_or(|time| time <= stop_ns) {
                tell(event);
            }
        };
        self.drain(tell);
        let awaited = self.ledger.pending_ends();
        let deadline = Instant::now() + patience;
        loop {
            // A pass tells the ends of zombies, whose closing records may be long in coming, and of those
            // that are gone without a record.
            let passed = self.sample(Freshness::Full, tell)?;
            ended.extend(
                passed
                    .processes
                    .into_iter()
                    .filter(|one| one.state.has_gone()),
            );
            let next_pass = Instant::now() + SETTLE_PASS_INTERVAL;
            loop {
                let is_settled = !self.ledger.is_any_pending(&awaited) && self.unsettled == 0;
                if is_settled || Instant::now() >= deadline || is_impatient() {
                    self.read_losses(Session::final_losses)?;
                    self.ledger.settle(tell);
                    return Ok(ended);
                }
                if Instant::now() >= next_pass {
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
                self.drain(tell);
            }
        }
    }

    fn read_losses(&mut self, read: fn(&mut Session) -> io::Result<Losses>) -> io::Result<()> {
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        self.losses = read(session)?;
        self.nameless = session.nameless()?;
        if self.losses.final_totals > 0 {
            // What was closed under its name is not nameless.
            self.nameless = self
                .nameless
                .since(&self.ledger.closed_without_record().totals);
        }
        self.nameless.add(&self.ledger.crowded_out().totals);
        self.nameless.add(&self.ledger.late().totals);
        Ok(())
    }

    fn losses(&self) -> Losses {
        Losses {
            crowded_out: self.ledger.crowded_out().processes,
            output: self.output_loss,
            ..self.losses
        }
    }

    /// Events that the listener did not take in time.
    pub fn count_output_loss(&mut self, events: u64) {
        self.output_loss += events;
    }

    fn sources(&self) -> Sources {
        let from = match &self.session {
            Some(_) => SourceState::From(Source::Ebpf),
            None => SourceState::From(Source::Procfs),
        };
        let by_hooks = |figures| match &self.session {
            None => SourceState::Unavailable("/proc does not tell it per process".into()),
            Some(session) => session
                .missing(figures)
                .map_or(SourceState::From(Source::Ebpf), |why| {
                    SourceState::Unavailable(why.into())
                }),
        };
        Sources {
            block: by_hooks(Figures::Block),
            network: by_hooks(Figures::Network),
            ..Sources::all(&from)
        }
    }

    /// Every TCP and UDP socket of the host, in all network namespaces.
    ///
    /// # Errors
    /// Without eBPF, or where the hooks for it are missing: says which.
    pub fn connections(&mut self) -> io::Result<Vec<Connection>> {
        let why = match &mut self.session {
            None => self.refusal.as_ref().map(ToString::to_string),
            Some(session) => match session.missing(Figures::Connections) {
                None => return session.connections(),
                missing => missing,
            },
        };
        Err(io::Error::other(why.unwrap_or_default()))
    }

    pub fn status(&self) -> Status {
        let reason = self.refusal.as_ref().map(ToString::to_string);
        let probes = PROBES
            .iter()
            .map(|probe| {
                let state = match (&self.session, &self.refusal) {
                    (Some(session), _) => session.probe_states().get(probe.program).cloned(),
                    (None, Some(refusal)) => Some(refusal.state_of(probe)),
                    (None, None) => None,
                };
                let state = state.unwrap_or_else(|| ProbeState::Unsupported {
                    reason: "it was not tried".to_owned(),
                });
                (probe, state)
            })
            .collect();
        Status {
            probes,
            sources: self.sources(),
            loss: self.losses(),
            degraded: reason,
            shed: self.shed,
        }
    }

    /// Leaves out detail from now on, or no longer.
    pub fn shed(&mut self, detail: Shed) {
        self.shed = Shed {
            pss: detail.pss && self.wanted.pss,
            connection_events: detail.connection_events && self.wanted.connection_events,
            ..detail
        };
        self.switch();
    }

    /// Has the programs tell what is wanted and not shed.
    fn switch(&mut self) {
        let off = Shed {
            connection_events: self.shed.connection_events || !self.wanted.connection_events,
            ..self.shed
        };
        if let Some(session) = &mut self.session {
            // Where it fails, it is told and costs: nothing is wrong.
            let _ = session.shed(off);
        }
    }

    /// How full the kernel's side is, and what it costs. `None` without eBPF.
    pub fn usage(&self) -> Option<Usage> {
        self.session.as_ref()?.usage().ok()
    }

    pub fn tree(&self) -> &ForkTree {
        self.ledger.tree()
    }

    /// A process that is living, or ended and not yet let go of.
    pub fn process(&self, id: ProcessId) -> Option<&ProcessSample> {
        self.ledger.process(id)
    }

    /// The process that holds a pid now.
    pub fn holder(&self, pid: u32) -> Option<ProcessId> {
        self.ledger.holder(pid)
    }
}

/// The clocks and the host's figures, to be read in the same breath as the processes': what is looked up
/// afterwards takes time that is in neither.
fn dated(proc: &ProcRoot) -> Dated {
    let now = Now::read();
    let (host, cores) = host_sample(proc);
    Dated { now, host, cores }
}

struct Dated {
    now: Now,
    host: HostSample,
    cores: Vec<CoreSample>,
}
