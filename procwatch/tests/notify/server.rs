//! Receivers as processes of their own.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

/// Debian's, for which its packages are.
const PYTHON: &str = "/usr/bin/python3";

pub struct Server {
    script: PathBuf,
    pub port: u16,
    pub log: PathBuf,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Server {
    pub fn start(script: &str, directory: &Path, arguments: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        drop(listener);
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/notify");
        let mut server = Self {
            script: tests.join(script),
            port,
            log: directory.join(format!("log-{port}")),
            arguments: arguments
                .iter()
                .map(|argument| (*argument).to_owned())
                .collect(),
            child: None,
        };
        server.go_on();
        server
    }

    /// On the same port.
    pub fn go_on(&mut self) {
        let said = self.log.with_extension("stderr");
        let mut child = Command::new(PYTHON)
            .arg("-Wignore")
            .arg(&self.script)
            .arg(self.port.to_string())
            .arg(&self.log)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&said).expect("a file"))
            .spawn()
            .expect("python3 starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe was asked for");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it is read");
        self.child = Some(child);
        assert_eq!(
            line,
            "ready\n",
            "{}",
            fs::read_to_string(said).unwrap_or_default()
        );
    }

    pub fn with_arguments(&mut self, arguments: &[&str]) {
        self.arguments = arguments
            .iter()
            .map(|argument| (*argument).to_owned())
            .collect();
    }

    /// Without a chance to say anything.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// What it has taken so far.
    pub fn taken(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An authority, and a certificate for this host that it has signed.
pub struct Certificate {
    pub ca: String,
    pub certificate: String,
    pub key: String,
}

impl Certificate {
    /// `names` as a subject's alternative names: `IP:127.0.0.1`.
    pub fn make(directory: &Path, who: &str, names: &str) -> Self {
        let path = |name: &str| {
            directory
                .join(format!("{who}-{name}"))
                .to_str()
                .expect("text")
                .to_owned()
        };
        let (ca, ca_key) = (path("ca.pem"), path("ca.key"));
        let (request, certificate, key) = (path("request"), path("cert.pem"), path("key.pem"));
        let curve = [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ];
        let subject = format!("/CN=authority of {who}");
        openssl(
            &[
                &["req", "-x509"],
                &curve[..],
                &[
                    "-keyout", &ca_key, "-out", &ca, "-days", "2", "-subj", &subject,
                ],
            ]
            .concat(),
        );
        openssl(
            &[
                &["req"],
                &curve[..],
                &["-keyout", &key, "-out", &request, "-subj", "/CN=receiver"],
            ]
            .concat(),
        );
        let extensions = path("extensions");
        fs::write(&extensions, format!("subjectAltName={names}\n")).expect("a file");
        openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            &ca,
            "-CAkey",
            &ca_key,
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            &extensions,
            "-out",
            &certificate,
        ]);
        Self {
            ca,
            certificate,
            key,
        }
    }
}

fn openssl(arguments: &[&str]) {
    let output = Command::new("openssl")
        .args(arguments)
        .output()
        .expect("openssl starts");
    assert!(output.status.success(), "openssl {arguments:?}: {output:?}");
}

/// A secret's file.
pub fn secret(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    fs::write(&path, text).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
    path.to_str().expect("text").to_owned()
}
