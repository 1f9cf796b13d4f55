//! Loads and attaches programs, by the table of probes.

use std::{collections::BTreeMap, io};

use aya::{
    Btf as AyaBtf, Ebpf,
    programs::{BtfTracePoint, FExit, Iter, ProgramError},
};

use super::{
    probes::{Figures, Hook, PROBES, Probe, ProbeState, Way},
    session::AttachError,
};

/// Attaches what the host allows.
///
/// # Errors
/// When one of the probes that the accounts need cannot be attached in any way.
pub(super) fn attach_all(
    ebpf: &mut Ebpf,
    btf: &AyaBtf,
) -> Result<BTreeMap<&'static str, ProbeState>, AttachError> {
    let mut states = BTreeMap::new();
    for probe in PROBES {
        let state = match attach_one_way(ebpf, btf, probe) {
            Ok(state) => state,
            Err(error) if probe.figures == Figures::Accounts => return Err(error),
            Err(AttachError::NoHook { hook }) => ProbeState::Unsupported {
                reason: format!("this kernel has no {hook}"),
            },
            Err(error) => ProbeState::Failed {
                reason: error.to_string(),
            },
        };
        states.insert(probe.program, state);
    }
    Ok(states)
}

/// The first way that works; else why the first did not, or the one after it when that was only not there.
fn attach_one_way(
    ebpf: &mut Ebpf,
    btf: &AyaBtf,
    probe: &'static Probe,
) -> Result<ProbeState, AttachError> {
    let mut refusal = None;
    for way in probe.ways {
        match attach_way(ebpf, btf, way) {
            Ok(()) => {
                return Ok(way
                    .loses
                    .map_or(ProbeState::Active, |loses| ProbeState::Fallback {
                        hooks: way.hooks(),
                        loses,
                    }));
            }
            Err(error) if matches!(refusal, None | Some(AttachError::NoHook { .. })) => {
                refusal = Some(error);
            }
            Err(_) => {}
        }
    }
    Err(refusal.unwrap_or_else(|| AttachError::Load(format!("{} has no way", probe.program))))
}

/// All programs of a way, or none: half of one would count some of what the next way counts.
fn attach_way(ebpf: &mut Ebpf, btf: &AyaBtf, way: &Way) -> Result<(), AttachError> {
    for (position, (program, hook)) in way.programs.iter().enumerate() {
        if let Err(error) = attach(ebpf, program, *hook, btf) {
            for (attached, hook) in &way.programs[..position] {
                detach(ebpf, attached, *hook);
            }
            return Err(error);
        }
    }
    Ok(())
}

/// Takes a program out of the kernel again. What has been attached can be found and unloaded.
fn detach(ebpf: &mut Ebpf, name: &str, hook: Hook) {
    let Some(program) = ebpf.program_mut(name) else {
        return;
    };
    let _ = match hook {
        Hook::BtfTracepoint(_) => {
            <&mut BtfTracePoint>::try_from(program).and_then(BtfTracePoint::unload)
        }
        Hook::FunctionExit(_) => <&mut FExit>::try_from(program).and_then(FExit::unload),
        Hook::Iterator(_) => <&mut Iter>::try_from(program).and_then(Iter::unload),
    };
}

fn attach(
    ebpf: &mut Ebpf,
    name: &'static str,
    hook: Hook,
    btf: &AyaBtf,
) -> Result<(), AttachError> {
    let failed = |error: ProgramError| match &error {
        ProgramError::LoadError { io_error, .. } if is_not_permitted(io_error) => {
            AttachError::NotPermitted
        }
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => AttachError::Attach {
            program: name,
            hook,
            reason: format!(
                "{io_error}; the verifier's last words: {}",
                last_lines(verifier_log)
            ),
        },
        // The kernel's type information names no such tracepoint or iterator.
        ProgramError::Btf(_) => AttachError::NoHook { hook },
        other => AttachError::Attach {
            program: name,
            hook,
            reason: other.to_string(),
        },
    };
    let program = ebpf.program_mut(name).ok_or_else(|| AttachError::Attach {
        program: name,
        hook,
        reason: "the object has no such program".to_owned(),
    })?;
    match hook {
        Hook::BtfTracepoint(tracepoint) => {
            let program: &mut BtfTracePoint = program.try_into().map_err(failed)?;
            program.load(tracepoint, btf).map_err(failed)?;
            program.attach().map_err(failed)?;
        }
        Hook::FunctionExit(function) => {
            let program: &mut FExit = program.try_into().map_err(failed)?;
            program.load(function, btf).map_err(failed)?;
            program.attach().map_err(failed)?;
        }
        Hook::Iterator(what) => {
            let program: &mut Iter = program.try_into().map_err(failed)?;
            program.load(what, btf).map_err(failed)?;
        }
    }
    Ok(())
}

/// EPERM, and not EACCES, which is what the verifier says when it refuses a program.
pub(super) fn is_not_permitted(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EPERM)
}

/// The verifier's log can be megabytes; its last lines hold the reason.
fn last_lines(log: &impl std::fmt::Display) -> String {
    let log = log.to_string();
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(4)..].join(" | ")
}

pub(super) fn refusal(error: &aya::EbpfError) -> AttachError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(link) = cause {
        if let Some(io) = link.downcast_ref::<io::Error>()
            && is_not_permitted(io)
        {
            return AttachError::NotPermitted;
        }
        cause = link.source();
    }
    AttachError::Load(error.to_string())
}
