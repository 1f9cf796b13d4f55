//! Draws the gallery: the real live view over a small load of our own, each frame as an SVG.
//!
//! `gallery DIRECTORY`; `cargo xtask gallery` calls it. The filter keeps what else runs on the host out of the
//! pictures; views that would show the host's own names (groups, connections, ancestors) are not drawn.

mod svg;

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use procwatch_tests::{procwatch::command, terminal::OnTerminal};

const COLUMNS: u16 = 112;
const LINES: u16 = 26;

/// What is on show: something that computes, something that waits for a disk, a server and its client.
const LOAD: &[&str] = &[
    "exec -a sh sh -c 'sha256sum /dev/zero & sha256sum /dev/zero & sha256sum /dev/zero & wait'",
    "cd /var/tmp && while :; do dd if=/dev/zero of=gallery.bin bs=1M count=64 conv=fdatasync status=none; done",
    "cd /usr/share && exec python3 -m http.server 8099 --bind 127.0.0.1",
    "while :; do curl -s -o /dev/null http://127.0.0.1:8099/; sleep 0.2; done",
];
const SHOWN: &str =
    "comm == sha256sum or comm == dd or comm == python3 or comm == curl or comm == sh";

struct Load(Vec<Child>);

impl Load {
    fn start() -> Self {
        let start = |script: &&str| {
            let mut command = Command::new("bash");
            command.args(["-c", script]).env_clear();
            command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
            command.spawn().expect("bash starts")
        };
        Self(LOAD.iter().map(start).collect())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // SAFETY: takes numbers; the group is our child's own, and it is not waited for yet.
            unsafe { libc::kill(-child.id().cast_signed(), libc::SIGKILL) };
            let _ = child.wait();
        }
        let _ = std::fs::remove_file("/var/tmp/gallery.bin");
    }
}

fn main() {
    let directory = PathBuf::from(std::env::args_os().nth(1).expect("a directory"));
    std::fs::create_dir_all(&directory).expect("the directory is made");
    let _load = Load::start();
    let mut command = command();
    command
        .args(["--filter", SHOWN])
        .env("COLORTERM", "truecolor")
        .env("XDG_CONFIG_HOME", directory.join("no-layout"));
    let mut live = OnTerminal::start(&mut command, COLUMNS, LINES);
    live.wait_for("the load", |text| text.contains("sha256sum"));
    // Curves want some seconds, and the dead stay for ten.
    settle(Duration::from_secs(20));
    save(&live, &directory, "processes");
    live.press("t");
    settle(Duration::from_secs(2));
    save(&live, &directory, "tree");
    live.press("t?");
    settle(Duration::from_secs(2));
    save(&live, &directory, "help");
    live.press("?");
    live.press("q");
    live.end();
}

fn settle(span: Duration) {
    std::thread::sleep(span);
}

fn save(live: &OnTerminal, directory: &Path, name: &str) {
    let path = directory.join(name).with_extension("svg");
    let drawing = live.with_screen(svg::drawing);
    std::fs::write(&path, drawing).expect("the file is written");
    println!("{}", path.display());
}
