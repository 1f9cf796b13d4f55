//! Which BPF programs and maps the kernel holds, asked with bpf(2) itself.

use std::collections::BTreeSet;

const BPF_PROG_GET_NEXT_ID: i32 = 11;
const BPF_MAP_GET_NEXT_ID: i32 = 12;
const BPF_PROG_GET_FD_BY_ID: i32 = 13;
const BPF_OBJ_GET_INFO_BY_FD: i32 = 15;

/// Ids of programs and maps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    pub programs: BTreeSet<u32>,
    pub maps: BTreeSet<u32>,
}

impl Objects {
    /// All that the kernel holds.
    pub fn of_host() -> Self {
        Self {
            programs: ids(BPF_PROG_GET_NEXT_ID),
            maps: ids(BPF_MAP_GET_NEXT_ID),
        }
    }

    /// The programs that a process has descriptors of, and the maps of it and of those programs.
    ///
    /// # Panics
    /// When the process's descriptors cannot be listed.
    pub fn of_process(pid: u32) -> Self {
        let mut found = Self::default();
        let directory = format!("/proc/{pid}/fdinfo");
        for entry in std::fs::read_dir(&directory).expect("listing descriptors") {
            let path = entry.expect("a descriptor").path();
            let text = std::fs::read_to_string(path).unwrap_or_default();
            for line in text.lines() {
                if let Some(id) = line.strip_prefix("prog_id:") {
                    found.programs.extend(id.trim().parse::<u32>());
                } else if let Some(id) = line.strip_prefix("map_id:") {
                    found.maps.extend(id.trim().parse::<u32>());
                }
            }
        }
        for program in &found.programs {
            if let Some(info) = program_info(*program) {
                found.maps.extend(info.map_ids);
            }
        }
        found
    }

    #[must_use]
    pub fn also_in(&self, other: &Self) -> Self {
        Self {
            programs: self
                .programs
                .intersection(&other.programs)
                .copied()
                .collect(),
            maps: self.maps.intersection(&other.maps).copied().collect(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.programs.is_empty() && self.maps.is_empty()
    }
}

/// What the kernel tells of a program.
#[derive(Clone, Debug)]
pub struct ProgramInfo {
    pub name: String,
    pub map_ids: Vec<u32>,
    /// How often and how long it has run, as far as that was counted: see [`RunStatistics`].
    pub runs: u64,
    pub run_ns: u64,
}

/// `None` when there is no such program any more.
pub fn program_info(id: u32) -> Option<ProgramInfo> {
    #[repr(C)]
    struct InfoRequest {
        fd: u32,
        length: u32,
        info: u64,
    }
    // `struct bpf_prog_info` up to its run_cnt: nr_map_ids at 52, map_ids at 56, name at 64, run_time_ns at
    // 192, run_cnt at 200.
    #[repr(C, align(8))]
    struct Info([u8; 208]);
    let mut request = [id, 0, 0, 0];
    let fd = bpf(BPF_PROG_GET_FD_BY_ID, &mut request)?;
    let mut map_ids = [0_u32; 64];
    let mut info = Info([0; 208]);
    info.0[52..56].copy_from_slice(&(map_ids.len() as u32).to_ne_bytes());
    info.0[56..64].copy_from_slice(&(map_ids.as_mut_ptr() as u64).to_ne_bytes());
    let mut request = InfoRequest {
        fd: fd as u32,
        length: size_of::<Info>() as u32,
        info: (&raw mut info) as u64,
    };
    let answer = bpf(BPF_OBJ_GET_INFO_BY_FD, &mut request);
    // SAFETY: the descriptor is ours and used no more.
    unsafe { libc::close(fd as i32) };
    answer?;
    let count = u32::from_ne_bytes(info.0[52..56].try_into().ok()?) as usize;
    let name = info.0[64..80].split(|byte| *byte == 0).next()?;
    let long = |at: usize| Some(u64::from_ne_bytes(info.0[at..at + 8].try_into().ok()?));
    Some(ProgramInfo {
        name: String::from_utf8_lossy(name).into_owned(),
        map_ids: map_ids.into_iter().take(count).collect(),
        runs: long(200)?,
        run_ns: long(192)?,
    })
}

/// While it lives the kernel counts how often and how long programs run, which makes each run some 20 ns
/// longer.
#[derive(Debug)]
pub struct RunStatistics {
    before: String,
}

const RUN_STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";

impl RunStatistics {
    /// `None` where that is not allowed.
    pub fn enable() -> Option<Self> {
        let before = std::fs::read_to_string(RUN_STATISTICS).ok()?;
        std::fs::write(RUN_STATISTICS, "1").ok()?;
        Some(Self { before })
    }
}

impl Drop for RunStatistics {
    fn drop(&mut self) {
        let _ = std::fs::write(RUN_STATISTICS, self.before.trim());
    }
}

fn ids(command: i32) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    // start_id, next_id, open_flags
    let mut request = [0_u32; 4];
    while bpf(command, &mut request).is_some() {
        found.insert(request[1]);
        request[0] = request[1];
    }
    found
}

/// bpf(2). `None` when it fails.
fn bpf<T>(command: i32, attributes: &mut T) -> Option<i64> {
    // SAFETY: the attributes are a live object of that size, laid out as the command wants.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attributes),
            size_of::<T>(),
        )
    };
    (answer >= 0).then_some(answer)
}

/// Everything below /sys/fs/bpf.
pub fn pins() -> BTreeSet<std::path::PathBuf> {
    let mut found = BTreeSet::new();
    let mut directories = vec![std::path::PathBuf::from("/sys/fs/bpf")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                directories.push(path.clone());
            }
            found.insert(path);
        }
    }
    found
}
