//! Series as servers make them, with what is wrong in them.

use std::{f64::consts::TAU, fmt::Write as _, ops::Range, path::Path};

/// A series, a value every `cadence_s`, and the rows that are anomalous.
pub struct Labelled {
    pub cadence_s: u64,
    pub values: Vec<f64>,
    pub anomalies: Vec<Range<usize>>,
}

impl Labelled {
    pub const fn time_ns(&self, row: usize) -> u64 {
        (1_396_310_400 + row as u64 * self.cadence_s) * 1_000_000_000
    }
}

pub type Family = (&'static str, fn(u64) -> Labelled);

pub const FAMILIES: &[Family] = &[
    ("daily cpu", daily_cpu),
    ("weekly requests", weekly_requests),
    ("noisy idle", noisy_idle),
    ("bursty disk", bursty_disk),
    ("quantised flat", quantised_flat),
    ("level shifts", level_shifts),
    ("random walk", random_walk),
    ("hourly business", hourly_business),
    ("odd period", odd_period),
    ("latency, heavy", heavy_latency),
    ("slow drift", slow_drift),
    ("flat line", flat_line),
    ("contextual", contextual),
    ("cron spikes", cron_spikes),
    ("nothing wrong", nothing_wrong),
];

/// SplitMix64.
pub struct Chance(pub u64);

impl Chance {
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        ((mixed >> 11) as f64 + 1.0) / (1_u64 << 53) as f64
    }

    pub fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (TAU * self.uniform()).cos()
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// A place for an anomaly, past a part of the series.
    fn place(&mut self, rows: usize) -> usize {
        (self.between(0.25, 0.95) * rows as f64) as usize
    }
}

fn series(cadence_s: u64, rows: usize, mut value: impl FnMut(usize) -> f64) -> Labelled {
    Labelled {
        cadence_s,
        values: (0..rows).map(&mut value).collect(),
        anomalies: Vec::new(),
    }
}

/// Smooth noise with memory.
fn red(chance: &mut Chance, state: &mut f64, memory: f64) -> f64 {
    *state = memory * *state + (1.0 - memory * memory).sqrt() * chance.normal();
    *state
}

impl Labelled {
    /// Marks rows and changes them, unless others are near.
    fn put(&mut self, at: usize, rows: usize, mut change: impl FnMut(usize, &mut f64)) {
        let range = at..(at + rows).min(self.values.len());
        let is_near =
            |other: &Range<usize>| range.start < other.end + 60 && other.start < range.end + 60;
        if self.anomalies.iter().any(is_near) {
            return;
        }
        for row in range.clone() {
            change(row - at, &mut self.values[row]);
        }
        self.anomalies.push(range);
    }

    fn spikes(&mut self, chance: &mut Chance, count: usize, size: f64) {
        for _ in 0..count {
            let at = chance.place(self.values.len());
            let rows = 1 + (chance.uniform() * 4.0) as usize;
            let height = size * chance.between(0.7, 1.8);
            self.put(at, rows, |_, value| *value += height);
        }
    }
}

fn daily_cpu(seed: u64) -> Labelled {
    let mut c = Chance(seed * 77 + 1);
    let (mut slow, base, amplitude) = (0.0, c.between(15.0, 40.0), c.between(8.0, 25.0));
    let sharp = c.between(0.5, 3.0);
    let mut made = series(300, 4032, |row| {
        let phase = (row % 288) as f64 / 288.0 * TAU;
        let day = ((phase.sin() * sharp).tanh() + 0.4 * (2.0 * phase).cos()) * amplitude;
        let noise = red(&mut c, &mut slow, 0.8);
        (base + day + 1.2 * noise + 1.5 * c.normal()).max(0.3)
    });
    made.spikes(&mut c, 2, 22.0);
    let at = c.place(4032);
    made.put(at, 30, |_, value| *value *= 0.35);
    made
}

fn weekly_requests(seed: u64) -> Labelled {
    let mut c = Chance(seed * 79 + 2);
    let scale = c.between(100.0, 50_000.0);
    let mut made = series(1800, 48 * 70, |row| {
        let phase = (row % 48) as f64 / 48.0 * TAU;
        let weekend = if row / 48 % 7 >= 5 { 0.55 } else { 1.0 };
        let shape = weekend * (1.1 + (phase - 2.0).sin() + 0.25 * (2.0 * phase).sin()).max(0.1);
        scale * shape * (0.05 * c.normal()).exp()
    });
    for _ in 0..3 {
        let (at, by) = (c.place(48 * 70), c.between(0.2, 0.55));
        made.put(at, 6, |_, value| *value *= by);
    }
    made.spikes(&mut c, 2, scale * 1.2);
    made
}

fn noisy_idle(seed: u64) -> Labelled {
    let mut c = Chance(seed * 83 + 3);
    let mut made = series(300, 4032, |_| 0.3 + (0.4 * c.normal()).exp() * 0.8);
    made.spikes(&mut c, 2, 18.0);
    let at = c.place(4032);
    made.put(at, 50, |_, value| *value += 3.0);
    made
}

fn bursty_disk(seed: u64) -> Labelled {
    let mut c = Chance(seed * 89 + 4);
    let mut made = series(300, 4032, |_| {
        let burst = if c.uniform() < 0.04 {
            4e6 * (0.8 * c.normal()).exp()
        } else {
            0.0
        };
        (burst + 3e4 * (0.3 * c.normal()).exp()).round()
    });
    for _ in 0..2 {
        let at = c.place(4032);
        let height = c.between(1.5e8, 5e8);
        made.put(at, 3, |_, value| *value += height);
    }
    let at = c.place(4032);
    made.put(at, 40, |_, value| *value += 1.2e7);
    made
}

fn quantised_flat(seed: u64) -> Labelled {
    let mut c = Chance(seed * 97 + 5);
    let mut made = series(300, 4032, |_| match c.uniform() {
        u if u < 0.6 => 0.066,
        u if u < 0.95 => 0.134,
        u if u < 0.98 => 0.2,
        _ => 0.068,
    });
    made.spikes(&mut c, 2, 1.6);
    let at = c.place(4032);
    made.put(at, 40, |_, value| *value += 0.27);
    made
}

fn level_shifts(seed: u64) -> Labelled {
    let mut c = Chance(seed * 101 + 6);
    let first = c.between(900.0, 1300.0) as usize;
    let second = first + c.between(900.0, 1400.0) as usize;
    let (up, down) = (c.between(5.0, 14.0), c.between(-9.0, -5.0));
    let mut state = 0.0;
    let mut made = series(300, 4032, |row| {
        let level = if row >= second {
            up + down
        } else if row >= first {
            up
        } else {
            0.0
        };
        let noise = red(&mut c, &mut state, 0.5);
        30.0 + level + noise
    });
    made.anomalies = vec![first..first + 40, second..second + 40];
    made
}

fn random_walk(seed: u64) -> Labelled {
    let mut c = Chance(seed * 103 + 7);
    let mut state = 500.0;
    let mut made = series(60, 3000, |_| {
        state += 2.0 * c.normal();
        state
    });
    made.spikes(&mut c, 3, 25.0);
    made
}

fn hourly_business(seed: u64) -> Labelled {
    let mut c = Chance(seed * 107 + 8);
    let trend = c.between(-0.3, 0.8);
    let mut made = series(3600, 1440, |row| {
        let phase = (row % 24) as f64 / 24.0 * TAU;
        let weekend = if row / 24 % 7 >= 5 { 0.7 } else { 1.0 };
        1000.0 + trend * row as f64 + weekend * 400.0 * phase.sin() + 40.0 * c.normal()
    });
    made.spikes(&mut c, 3, 350.0);
    let at = c.place(1440);
    made.put(at, 2, |_, value| *value -= 450.0);
    made
}

fn odd_period(seed: u64) -> Labelled {
    let mut c = Chance(seed * 109 + 9);
    let (period, noise) = (c.between(20.0, 140.0), c.between(3.0, 10.0));
    let mut made = series(3600, 1500, |row| {
        let phase = row as f64 / period * TAU;
        100.0 * phase.sin() + 35.0 * (2.0 * phase).cos() + 0.15 * row as f64 + noise * c.normal()
    });
    for _ in 0..4 {
        let at = c.place(1500);
        let height = c.between(8.0, 16.0) * noise * if c.uniform() < 0.5 { 1.0 } else { -1.0 };
        made.put(at, 1, |_, value| *value += height);
    }
    made
}

fn heavy_latency(seed: u64) -> Labelled {
    let mut c = Chance(seed * 113 + 10);
    let mut made = series(300, 4000, |_| 20.0 + 4.0 * c.uniform().powf(-0.45));
    for _ in 0..2 {
        let (at, by) = (c.place(4000), c.between(30.0, 70.0));
        made.put(at, 20, |_, value| *value += by);
    }
    made
}

fn slow_drift(seed: u64) -> Labelled {
    let mut c = Chance(seed * 127 + 11);
    let mut made = series(300, 4032, |row| {
        let day = 6.0 * ((row % 288) as f64 / 288.0 * TAU).sin();
        50.0 + day + 1.5 * c.normal()
    });
    let at = (c.between(0.4, 0.75) * 4032.0) as usize;
    made.put(at, 400, |row, value| *value += row as f64 * 0.06);
    let end = at + 400;
    for value in &mut made.values[end..] {
        *value += 24.0;
    }
    made.anomalies[0].end += 20;
    made
}

fn flat_line(seed: u64) -> Labelled {
    let mut c = Chance(seed * 131 + 12);
    let mut state = 0.0;
    let mut made = series(60, 4000, |row| {
        let day = 15.0 * (row as f64 / 1440.0 * TAU).sin();
        60.0 + day + 2.0 * red(&mut c, &mut state, 0.6) + c.normal()
    });
    let at = c.place(3600);
    let stuck = made.values[at];
    made.put(at, 90, |_, value| *value = stuck);
    let at = c.place(3600);
    made.put(at, 60, |_, value| *value = 0.0);
    made
}

fn contextual(seed: u64) -> Labelled {
    let mut c = Chance(seed * 137 + 13);
    let shape = |row: usize| {
        let hour = (row % 288) as f64 / 12.0;
        if (9.0..18.0).contains(&hour) {
            70.0
        } else {
            12.0
        }
    };
    let mut made = series(300, 4032, |row| shape(row) + 3.0 * c.normal());
    // The working day comes at night, or not at all.
    let day = 6 + (c.uniform() * 6.0) as usize;
    made.put(day * 288 + 12, 36, |_, value| *value += 58.0);
    let day = if day > 9 { day - 2 } else { day + 2 };
    made.put(day * 288 + 12 * 11, 24, |_, value| *value -= 58.0);
    made
}

fn cron_spikes(seed: u64) -> Labelled {
    let mut c = Chance(seed * 139 + 14);
    let minute = (c.uniform() * 288.0) as usize;
    let mut made = series(300, 4032, |row| {
        let job = if row % 288 == minute { 60.0 } else { 0.0 };
        let hourly = if row % 12 == 3 { 12.0 } else { 0.0 };
        8.0 + job + hourly + c.normal().abs() * 1.5
    });
    made.spikes(&mut c, 2, 50.0);
    made
}

fn nothing_wrong(seed: u64) -> Labelled {
    let mut c = Chance(seed * 149 + 15);
    let mut state = 0.0;
    let kind = seed / 2 % 4;
    series(300, 4032, |row| {
        let day = 20.0 * ((row % 288) as f64 / 288.0 * TAU).sin();
        match kind {
            0 => 50.0 + day + 5.0 * c.normal(),
            1 => 10.0 + 4.0 * red(&mut c, &mut state, 0.97),
            2 => (c.between(0.0, 3.0)).floor(),
            _ => (50.0 + day) * (0.2 * c.normal()).exp(),
        }
    })
}

/// Writes every series with its labels, for other programs to be judged on.
pub fn dump(directory: &Path, seeds: &[u64]) {
    std::fs::create_dir_all(directory).expect("a directory");
    for (name, make) in FAMILIES {
        for seed in seeds {
            let made = make(*seed);
            let mut text = String::from("timestamp,value,label\n");
            for (at, value) in made.values.iter().enumerate() {
                let is_anomaly = made.anomalies.iter().any(|range| range.contains(&at));
                let time = made.time_ns(at) / 1_000_000_000;
                let _ = writeln!(text, "{time},{value},{}", u8::from(is_anomaly));
            }
            let file = format!("{}-{seed}.csv", name.replace([' ', ','], "_"));
            std::fs::write(directory.join(file), text).expect("a file");
        }
    }
}
