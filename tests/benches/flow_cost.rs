//! What it costs to count traffic: iperf3 over loopback, and wrk against nginx, bare and watched in
//! alternation; and nanoseconds per event of every hook while they run.

mod support;

use std::{
    net::TcpListener,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use procwatch_tests::bpf::{Objects, ProgramInfo, RunStatistics, program_info};
use support::{Running, command, find, is_quick, median, print_machine, toss};

/// What may be lost at most, percent.
const AIM: f64 = 2.0;
const WATCHERS: [(&str, &[&str]); 2] = [
    ("procwatch top", &["top", "--limit", "20"]),
    ("procwatch events", &["events", "--format", "json"]),
];

fn main() {
    print_machine(&[("iperf3", "--version"), ("wrk", "-v"), ("nginx", "-v")]);
    let (rounds, seconds) = if is_quick() { (2, 1) } else { (12, 3) };
    let directory = tempfile::tempdir().expect("a directory");
    let mut loads = Vec::new();
    if let Some(iperf3) = find("iperf3") {
        loads.push(Load::iperf3(&iperf3, seconds));
    }
    if let (Some(nginx), Some(wrk)) = (find("nginx"), find("wrk")) {
        loads.push(Load::wrk(
            &nginx,
            &wrk,
            directory.path(),
            seconds,
            Lasting::Kept,
        ));
        loads.push(Load::wrk(
            &nginx,
            &wrk,
            directory.path(),
            seconds,
            Lasting::One,
        ));
    }
    for load in &mut loads {
        // The first run finds everything cold.
        load.run();
        compare(load, rounds);
    }
    for load in &mut loads {
        tabulate(load);
    }
}

/// Something that makes traffic as fast as it can.
struct Load {
    name: &'static str,
    unit: &'static str,
    server: Running,
    client: Vec<String>,
    figure: fn(&str) -> f64,
}

/// How long a connection is used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lasting {
    Kept,
    /// For one request.
    One,
}

impl Load {
    fn iperf3(iperf3: &str, seconds: u64) -> Self {
        let port = free_port();
        let number = port.to_string();
        let server = Running::start(command(iperf3, &["-s", "-p", &number, "-B", "127.0.0.1"]));
        wait_for_listener(port);
        let time = seconds.to_string();
        let client = [iperf3, "-c", "127.0.0.1", "-p", &number, "-t", &time, "-J"];
        Self {
            name: "iperf3 over loopback",
            unit: "Gbit/s",
            server,
            client: client.map(str::to_owned).to_vec(),
            figure: |told| {
                let told: serde_json::Value = serde_json::from_str(told).expect("iperf3's JSON");
                let bits = told["end"]["sum_received"]["bits_per_second"].as_f64();
                bits.expect("a throughput") / 1e9
            },
        }
    }

    fn wrk(nginx: &str, wrk: &str, directory: &Path, seconds: u64, lasting: Lasting) -> Self {
        let port = free_port();
        let directory = directory.join(port.to_string());
        std::fs::create_dir(&directory).expect("a directory");
        let configuration = directory.join("nginx.conf");
        std::fs::write(&configuration, nginx_configuration(port)).expect("a configuration");
        let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        let (prefix, configuration) = (path(&directory), path(&configuration));
        let arguments = ["-p", &prefix, "-c", &configuration, "-e", "error.log"];
        let server = Running::start(command(nginx, &arguments));
        wait_for_listener(port);
        let (address, time) = (format!("http://127.0.0.1:{port}/"), format!("{seconds}s"));
        let mut client = vec![wrk, "-t", "1", "-c", "16", "-d", &time];
        if lasting == Lasting::One {
            client.extend(["-H", "Connection: close"]);
        }
        client.push(&address);
        Self {
            name: match lasting {
                Lasting::Kept => "wrk against nginx, connections kept",
                Lasting::One => "wrk against nginx, a connection each",
            },
            unit: "requests/s",
            server,
            client: client.into_iter().map(str::to_owned).collect(),
            figure: |told| {
                let is_clean = !told.contains("Non-2xx") && !told.contains("Socket errors");
                assert!(is_clean, "wrk: {told}");
                let figure = told
                    .lines()
                    .find_map(|line| line.strip_prefix("Requests/sec:"));
                let figure = figure.unwrap_or_else(|| panic!("wrk: {told}"));
                figure.trim().parse().expect("a number")
            },
        }
    }

    /// Its figure: the more the better.
    fn run(&mut self) -> f64 {
        self.server.assert_alive();
        let (program, arguments) = self.client.split_first().expect("a program");
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut client = command(program, &arguments);
        let output = client.stdout(Stdio::piped()).output().expect("the client");
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {told}", self.name);
        (self.figure)(&told)
    }
}

/// One worker, in the foreground; nothing outside of its directory.
fn nginx_configuration(port: u16) -> String {
    let bodies = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {kind};"))
        .join(" ");
    let page = "x".repeat(1024);
    format!(
        "daemon off; master_process off; pid nginx.pid; error_log error.log;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; {bodies} keepalive_requests 100000000; server {{ listen 127.0.0.1:{port}; \
         location / {{ return 200 \"{page}\"; }} }} }}\n"
    )
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// Without connecting, which iperf3 would take for a client.
fn wait_for_listener(port: u16) {
    let deadline = Instant::now() + Duration::from_secs(10);
    // 0A is TCP_LISTEN.
    let wanted = format!("0100007F:{port:04X} 00000000:0000 0A");
    while !std::fs::read_to_string("/proc/net/tcp").is_ok_and(|text| text.contains(&wanted)) {
        assert!(Instant::now() < deadline, "nobody listens at {port}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn compare(load: &mut Load, rounds: usize) {
    let mut bare = vec![];
    let mut watched: [Vec<f64>; 2] = Default::default();
    let mut shares: [Vec<f64>; 2] = Default::default();
    let mut own: [Vec<f64>; 2] = Default::default();
    for round in 0..rounds {
        let order = if toss() { [0, 1] } else { [1, 0] };
        let mut before = load.run();
        bare.push(before);
        for way in order {
            let running = Running::ready(WATCHERS[way].1, Stdio::null());
            let (cpu, begun) = (running.cpu_ns(), Instant::now());
            let figure = load.run();
            let share = (running.cpu_ns() - cpu) as f64 / begun.elapsed().as_nanos() as f64;
            assert!(running.stop().success(), "{} failed", WATCHERS[way].0);
            let after = load.run();
            bare.push(after);
            watched[way].push(figure);
            own[way].push(share * 100.0);
            // Between two bare runs, so that drift cancels out.
            shares[way].push((figure / f64::midpoint(before, after) - 1.0) * 100.0);
            before = after;
        }
        eprintln!("{}: round {} of {rounds}", load.name, round + 1);
    }
    println!(
        "\n{}, {rounds} rounds; median ± half the quartiles' distance",
        load.name
    );
    let (middle, spread) = median(&bare);
    println!("  {:<17} {middle:10.2} {} ± {spread:.2}", "bare", load.unit);
    for (way, (name, _)) in WATCHERS.iter().enumerate() {
        let ((middle, spread), (change, change_spread)) =
            (median(&watched[way]), median(&shares[way]));
        let verdict = if change >= -AIM { "" } else { ": MISSED" };
        println!(
            "  {name:<17} {middle:10.2} {} ± {spread:.2}   {change:+.2} % ± {change_spread:.2} on the bare runs around \
             it (aim: at most {AIM} % less{verdict}); own CPU {:.1} % of a core",
            load.unit,
            median(&own[way]).0
        );
    }
}

/// Prints what each program costs each time that it runs while a load does.
fn tabulate(load: &mut Load) {
    for (name, arguments) in WATCHERS {
        let Some(statistics) = RunStatistics::enable() else {
            println!("\nnanoseconds per event: the kernel does not count runs here");
            return;
        };
        let running = Running::ready(arguments, Stdio::null());
        let programs = Objects::of_process(running.pid()).programs;
        let read =
            || -> Vec<ProgramInfo> { programs.iter().filter_map(|id| program_info(*id)).collect() };
        let (before, begun) = (read(), Instant::now());
        let figure = load.run();
        let (after, took) = (read(), begun.elapsed());
        assert!(running.stop().success(), "{name} failed");
        drop(statistics);
        println!(
            "\n{name} during {} ({figure:.1} {}): nanoseconds per event, some 20 of which are for counting them",
            load.name, load.unit
        );
        let mut rows: Vec<_> = before
            .iter()
            .zip(&after)
            .map(|(before, after)| {
                let (runs, ns) = (after.runs - before.runs, after.run_ns - before.run_ns);
                (ns, runs, after.name.as_str())
            })
            .filter(|(_, runs, _)| *runs > 0)
            .collect();
        rows.sort_unstable_by(|one, other| other.cmp(one));
        println!(
            "  {:<16} {:>12} {:>10} {:>16}",
            "program", "events", "ns each", "% of a core"
        );
        let mut sum = 0;
        for (ns, runs, name) in rows {
            sum += ns;
            println!(
                "  {name:<16} {runs:>12} {:>10.0} {:>16.3}",
                ns as f64 / runs as f64,
                ns as f64 * 100.0 / took.as_nanos() as f64
            );
        }
        println!(
            "  {:<16} {:>12} {:>10} {:>16.3}",
            "all",
            "",
            "",
            sum as f64 * 100.0 / took.as_nanos() as f64
        );
    }
}
