//! What taking secrets out of a command line costs an exec.

use procwatch::model::redact::Redactor;

/// Prints what an exec pays; fails where a hostile text takes more than in proportion.
#[test]
fn it_takes_time_in_proportion() {
    let redactor = Redactor::new(&[], &[]).unwrap();
    let ordinary = "/usr/lib/jvm/java-17/bin/java\0-Xmx512m\0-Dfile.encoding=UTF-8\0-cp\0/opt/app/lib/a.jar:/opt/app/lib/b.jar\0com.example.Main\0--port\08080\0";
    let secret = "mysql\0-uroot\0-phunter2\0--host=db\0--password=x\0https://a:b@c/\0";
    let hostile = [
        "'\" ",
        "=a",
        "--password ",
        "token=",
        "://a:",
        "eyJ",
        "\\\"",
        "a:",
    ]
    .map(|piece| {
        let mut argv = piece.repeat(4096 / piece.len());
        argv.push('\0');
        argv
    });
    let time = |argv: &str| {
        const ROUNDS: u32 = 50;
        let begun = std::time::Instant::now();
        for _ in 0..ROUNDS {
            std::hint::black_box(redactor.argv(std::hint::black_box(argv), false));
        }
        begun.elapsed() / ROUNDS
    };
    println!(
        "ordinary {:?}, with secrets {:?}",
        time(ordinary),
        time(secret)
    );
    for argv in &hostile {
        let took = time(argv);
        println!("{:?}: {took:?}", &argv[..4]);
        assert!(took.as_millis() < 200, "{took:?} for {:?}", &argv[..8]);
    }
}
