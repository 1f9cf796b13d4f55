//! Loads and attaches programs, by the table of probes.

use std::{collections::BTreeMap, io};

use aya::{
    Btf as AyaBtf, BtfError, Ebpf,
    programs::{BtfTracePoint, FExit, Iter, ProgramError},
};

use super::{
    probes::{Ability, Figures, Hook, PROBES, Probe, ProbeState, Way},
    refusal::{AttachError, Refused},
};

/// Attaches what the host allows.
///
/// # Errors
/// When one of the probes that the accounts need cannot be attached in any way.
pub(super) fn attach_all(
    ebpf: &mut Ebpf,
    btf: &AyaBtf,
    abilities: &[Ability],
) -> Result<BTreeMap<&'static str, ProbeState>, AttachError> {
    let mut states = BTreeMap::new();
    for probe in PROBES {
        let state = match attach_one_way(ebpf, btf, probe, abilities) {
            Ok(state) => state,
            Err(error) if probe.figures == Figures::Accounts => return Err(error.of_needed()),
            Err(error) => ProbeState::of_refusal(&error),
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
    abilities: &[Ability],
) -> Result<ProbeState, AttachError> {
    let mut refusal = None;
    for way in probe.ways {
        let attached = match way.needs.filter(|ability| !abilities.contains(ability)) {
            Some(ability) => Err(AttachError::Lacks {
                what: ability.lacking(),
            }),
            None => attach_way(ebpf, btf, way),
        };
        match attached {
            Ok(()) => {
                return Ok(way
                    .loses
                    .map_or(ProbeState::Active, |loses| ProbeState::Fallback {
                        hooks: way.hooks(),
                        kernels: way.kernels.into(),
                        loses: loses.into(),
                    }));
            }
            Err(error) if refusal.as_ref().is_none_or(AttachError::is_unsupported) => {
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
        if let Err(error) = attach(ebpf, program, *hook, way.kernels, btf) {
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

/// Loads a program, and attaches it.
///
/// # Errors
/// When the host has no such hook, or refuses it.
pub(super) fn attach(
    ebpf: &mut Ebpf,
    name: &'static str,
    hook: Hook,
    kernels: &'static str,
    btf: &AyaBtf,
) -> Result<(), AttachError> {
    let failed = |error: ProgramError| match &error {
        // The kernel's type information names no such tracepoint or iterator.
        ProgramError::Btf(BtfError::UnknownBtfTypeName { .. }) => {
            AttachError::NoHook { hook, kernels }
        }
        other => AttachError::Attach {
            program: name,
            hook,
            errno: errno(other),
            reason: reason(other),
        },
    };
    let program = ebpf.program_mut(name).ok_or_else(|| AttachError::Attach {
        program: name,
        hook,
        errno: None,
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

fn errno(error: &ProgramError) -> Option<i32> {
    match error {
        ProgramError::LoadError { io_error, .. } => io_error.raw_os_error(),
        ProgramError::SyscallError(error) => error.io_error.raw_os_error(),
        _ => None,
    }
}

/// The kernel's answer, what to try, and the verifier's last words if it had any.
fn reason(error: &ProgramError) -> String {
    match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => {
            let last = last_lines(verifier_log);
            let refused = Refused(io_error);
            if last.is_empty() {
                refused.to_string()
            } else {
                format!("{refused}; the verifier's last words: {last}")
            }
        }
        ProgramError::SyscallError(error) => {
            format!("{}: {}", error.call, Refused(&error.io_error))
        }
        other => other.to_string(),
    }
}

/// The verifier's log can be megabytes; its last lines hold the reason.
fn last_lines(log: &impl std::fmt::Display) -> String {
    let log = log.to_string();
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(4)..].join(" | ")
}

/// What to make of the object's being refused as a whole.
pub(super) fn refusal(error: &aya::EbpfError) -> AttachError {
    let what = error.to_string();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(link) = cause {
        if let Some(io) = link.downcast_ref::<io::Error>() {
            return AttachError::of_system(&what, io);
        }
        cause = link.source();
    }
    AttachError::Load(what)
}
