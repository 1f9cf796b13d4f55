use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

fn redactor() -> &'static Redactor {
    static REDACTOR: LazyLock<Redactor> = LazyLock::new(|| Redactor::new(&[], &[]).unwrap());
    &REDACTOR
}

/// Arguments are written with a `|` between them.
fn redacted_by(redactor: &Redactor, arguments: &str) -> String {
    let argv = format!("{}\0", arguments.replace('|', "\0"));
    let redacted = redactor.argv(&argv, false).unwrap_or(argv);
    redacted.trim_end_matches('\0').replace('\0', "|")
}

fn check(cases: &[(&str, &str)]) {
    let redactor = redactor();
    for (arguments, expected) in cases {
        assert_eq!(redacted_by(redactor, arguments), *expected, "{arguments}");
    }
}

fn check_same(cases: &[&str]) {
    let redactor = redactor();
    for arguments in cases {
        assert_eq!(redacted_by(redactor, arguments), *arguments);
    }
}

#[test]
fn options_and_variables() {
    check(&[
        ("app|--password|hunter2|-v", "app|--password|***|-v"),
        ("app|--password=hunter2|-v", "app|--password=***|-v"),
        ("app|--password=a b=c&d;e", "app|--password=***"),
        ("app|-password|hunter2", "app|-password|***"),
        ("app|--db-password|-x8Sdf", "app|--db-password|***"),
        ("app|--token|my secret words", "app|--token|***"),
        ("app|--api_key|k", "app|--api_key|***"),
        (
            "java|-Dspring.datasource.password=x|-jar|a",
            "java|-Dspring.datasource.password=***|-jar|a",
        ),
        ("env|PGPASSWORD=hunter2|psql", "env|PGPASSWORD=***|psql"),
        (
            "env|AWS_SECRET_ACCESS_KEY=ab/cd+e=|aws",
            "env|AWS_SECRET_ACCESS_KEY=***|aws",
        ),
        (
            "docker|run|-e|DB_PASS=x|img",
            "docker|run|-e|DB_PASS=***|img",
        ),
        (
            "docker|run|--env=DB_PASS=x|img",
            "docker|run|--env=DB_PASS=***|img",
        ),
        (
            "psql|host=h password=x user=u",
            "psql|host=h password=*** user=u",
        ),
        (
            "psql|host=h password='x y' user=u",
            "psql|host=h password=*** user=u",
        ),
        (
            "app|Server=h;Uid=sa;Pwd=x;Timeout=3",
            "app|Server=h;Uid=sa;Pwd=***;Timeout=3",
        ),
        (
            "curl|https://h/?token=abc&x=1",
            "curl|https://h/?token=***&x=1",
        ),
        (
            "app|--opts=a=1,secret=x,b=2",
            "app|--opts=a=1,secret=***,b=2",
        ),
    ]);
}

#[test]
fn scripts() {
    check(&[
        (
            "sh|-c|PGPASSWORD=x psql -h db",
            "sh|-c|PGPASSWORD=*** psql -h db",
        ),
        (
            "bash|-lc|app --password hunter2 --host h",
            "bash|-lc|app --password *** --host h",
        ),
        (
            "sh|-c|app --password 'a b' -v",
            "sh|-c|app --password *** -v",
        ),
        (
            "sh|-c|app --password=\"a b\" -v",
            "sh|-c|app --password=*** -v",
        ),
        (
            "sh|-c|app --password=a\\ b -v",
            "sh|-c|app --password=*** -v",
        ),
        (
            "sh|-c|echo don't; app --password x; echo",
            "sh|-c|echo don't; app --password *** echo",
        ),
        (
            "sh|-c|mysql -uroot -phunter2 db",
            "sh|-c|mysql -uroot -p*** db",
        ),
        (
            "python3|-c|run(['app', '--password', 'x y'])",
            "python3|-c|run(['app', '--password', ***",
        ),
        (
            "python3|-c|password = 'x'; go()",
            "python3|-c|password = *** go()",
        ),
        (
            "psql|-c|ALTER USER a PASSWORD 'x y'",
            "psql|-c|ALTER USER a PASSWORD ***",
        ),
        (
            "mysql|-e|CREATE USER a IDENTIFIED BY 'x'",
            "mysql|-e|CREATE USER a IDENTIFIED BY ***",
        ),
        (
            "sh|-c|curl -H \"Authorization: Bearer abc\" http://h/",
            "sh|-c|curl -H \"Authorization: Bearer ***\" http://h/",
        ),
    ]);
}

#[test]
fn programs_with_short_options() {
    check(&[
        ("mysql|-uroot|-phunter2|db", "mysql|-uroot|-p***|db"),
        (
            "sudo|-u|dba|/usr/bin/mysqldump|-pX|db",
            "sudo|-u|dba|/usr/bin/mysqldump|-p***|db",
        ),
        ("sshpass|-p|X|ssh|h", "sshpass|-p|***|ssh|h"),
        ("sshpass|-pX|ssh|h", "sshpass|-p***|ssh|h"),
        ("curl|-u|joe:X|http://h/", "curl|-u|joe:***|http://h/"),
        ("curl|-ujoe:X", "curl|-ujoe:***"),
        ("curl|--user|joe:X y", "curl|--user|joe:***"),
        ("curl|-u|joe|http://h/", "curl|-u|joe|http://h/"),
        ("redis-cli|-a|X|ping", "redis-cli|-a|***|ping"),
        ("docker|login|-u|joe|-p|X", "docker|login|-u|joe|-p|***"),
        ("smbclient|//h/s|-U|joe%X", "smbclient|//h/s|-U|joe%***"),
        ("openssl|rsa|-passin|pass:X", "openssl|rsa|-passin|pass:***"),
        ("7z|x|-pX|a.7z", "7z|x|-p***|a.7z"),
    ]);
    check_same(&[
        "mysql|-p|db",
        "docker|run|-p|80:80|img",
        "ssh|-p|2222|h",
        "cp|-pr|a|b",
        "mkdir|-p|a/b",
    ]);
}

#[test]
fn urls_headers_documents_and_tokens() {
    check(&[
        (
            "git|clone|https://joe:X@h/r",
            "git|clone|https://joe:***@h/r",
        ),
        (
            "app|postgres://joe:p@ss@h:5432/db?x=y@z",
            "app|postgres://joe:***@h:5432/db?x=y@z",
        ),
        (
            "git|https://0123456789abcdef0123@h/r",
            "git|https://***@h/r",
        ),
        ("app|joe:X@tcp(h:3306)/db", "app|joe:***@tcp(h:3306)/db"),
        ("app|redis://:X@h:6379/0", "app|redis://:***@h:6379/0"),
        ("app|amqp://joe:a/b@h", "app|amqp://joe:***@h"),
        (
            "sh|-c|app http://a:b@c http://d:e@f",
            "sh|-c|app http://a:***@c http://d:***@f",
        ),
        (
            "curl|-H|Authorization: Bearer abc.def",
            "curl|-H|Authorization: Bearer ***",
        ),
        (
            "curl|-H|authorization: Basic am9lOlg=",
            "curl|-H|authorization: Basic ***",
        ),
        (
            "curl|-HAuthorization: Bearer abc",
            "curl|-HAuthorization: Bearer ***",
        ),
        ("curl|-H|X-Api-Key: abc", "curl|-H|X-Api-Key: ***"),
        (
            "curl|-H|Authorization:|Bearer|abc|-v",
            "curl|-H|Authorization:|Bearer|***|-v",
        ),
        (
            "curl|-H|Authorization: Bearer|abc|-v",
            "curl|-H|Authorization: ***|***|-v",
        ),
        ("curl|-b|Cookie: a=b; c=d", "curl|-b|Cookie: ***"),
        (
            "curl|-d|{\"user\":\"joe\",\"password\":\"X y\",\"a\":1}",
            "curl|-d|{\"user\":\"joe\",\"password\":\"***\",\"a\":1}",
        ),
        (
            "curl|-d|{\"apiToken\" : \"a\\\"b\"}",
            "curl|-d|{\"apiToken\" : \"***\"}",
        ),
        (
            "sh|-c|curl -d \"{\\\"password\\\":\\\"X\\\"}\" h",
            "sh|-c|curl -d \"{\\\"password\\\":\\\"***\\\"}\" h",
        ),
        ("app|db.password: X", "app|db.password: ***"),
        ("app|ghp_0123456789abcdefghijABCDEFGHIJ012345", "app|***"),
        (
            "git|clone|https://x-access-token:ghs_0123456789abcdefghij@github.com/a",
            "git|clone|https://x-access-token:***@github.com/a",
        ),
        ("app|AKIAIOSFODNN7EXAMPLE", "app|***"),
        ("app|eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_", "app|***"),
    ]);
}

#[test]
fn what_is_no_secret_stays() {
    check_same(&[
        "app|--password-file|/x",
        "app|--password-file=/x",
        "app|--no-password|x",
        "app|--password|--host|h",
        "app|--password|-h|h",
        "app|--password",
        "app|--password=",
        "ansible|--ask-become-pass|all",
        "passwd|root",
        "tokenize|--tokens=5|a",
        "env|PWD=/root|OLDPWD=/",
        "ssh|-o|PasswordAuthentication=no|h",
        "curl|http://h:80/a@b",
        "curl|http://joe@h/",
        "curl|http://[::1]:80/@scope/x",
        "npm|http://h:4873/@scope/x",
        "kubectl|create|secret|generic|x",
        "vault|token|lookup",
        "docker|run|registry/secret:latest",
        "app|--compass=1|--bypass=2|--key=/k.pem|--keyboard=us",
        "kube-apiserver|--authorization-mode=Node,RBAC|--token-auth-file=/x",
        "app|if token == x then",
        "cat|/etc/passwd",
        "||app|||x",
    ]);
}

#[test]
fn what_a_user_adds() {
    let redactor = Redactor::new(
        &["--pin".to_owned(), "-k".to_owned()],
        &[
            "id-[0-9]+".to_owned(),
            "card=([0-9]{4})".to_owned(),
            "a(?P<secret>b)c(d)".to_owned(),
        ],
    )
    .unwrap();
    for (arguments, expected) in [
        ("app|--pin|1234", "app|--pin|***"),
        ("app|--pin=1234", "app|--pin=***"),
        ("app|-k|x", "app|-k|***"),
        ("app|id-77 id-x", "app|*** id-x"),
        ("app|card=12345", "app|card=***5"),
        ("app|abcd", "app|a***cd"),
        ("app|pin", "app|pin"),
    ] {
        assert_eq!(redacted_by(&redactor, arguments), expected, "{arguments}");
    }
    let wrong = |pattern: &str| {
        let error = Redactor::new(&[], &[pattern.to_owned()]).unwrap_err();
        error.to_string()
    };
    assert!(wrong("(").contains("unclosed group"), "{}", wrong("("));
    assert!(
        wrong("a{1000}{1000}").contains("size"),
        "{}",
        wrong("a{1000}{1000}")
    );
    assert!(wrong("x*").contains("nothing"), "{}", wrong("x*"));
    assert!(wrong(&"x".repeat(2000)).contains("longer"));
    assert!(Redactor::new(&[], &vec!["x".to_owned(); 65]).is_err());
}

#[test]
fn the_end_of_what_was_cut_off_tells_nothing() {
    let redactor = redactor();
    let cut = |argv: &str| redactor.argv(argv, true);
    let told = |argv: &str| cut(argv).unwrap_or_else(|| argv.to_owned());
    assert_eq!(told("git\0https://joe:hunt\0"), "git\0https://joe:***\0");
    assert_eq!(told("git\0https://joe:hunt"), "git\0https://joe:***");
    assert_eq!(told("app\0--password\0hun\0"), "app\0--password\0***\0");
    assert_eq!(told("app\0--passwo\0"), "app\0--passwo\0");
    assert_eq!(told("curl\0http://h:8080\0"), "curl\0http://h:8080\0");
    // Only the last.
    assert_eq!(
        told("git\0https://joe:hunt\0x\0"),
        "git\0https://joe:hunt\0x\0"
    );
}

#[test]
fn bytes_that_are_no_text_are_redacted_as_they_are_spelled() {
    let argv = crate::model::facts::kernel_text(b"app\0--password\0\xff\xfe\0");
    assert_eq!(
        redactor().argv(&argv, false).as_deref(),
        Some("app\0--password\0***\0")
    );
}

#[test]
fn every_program_and_name_is_found_by_the_first_look() {
    // What a first look passes over is never looked at again.
    for beginning in programs::beginnings() {
        assert!(redactor().first_look.is_match(beginning), "{beginning}");
    }
}

/// Pieces of command lines, and what is there to confuse.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("--password".to_owned()),
        Just("PGPASSWORD=".to_owned()),
        Just("token".to_owned()),
        Just("mysql".to_owned()),
        Just("curl".to_owned()),
        Just("-u".to_owned()),
        Just("-c".to_owned()),
        Just("-p".to_owned()),
        Just("Authorization:".to_owned()),
        Just("Bearer".to_owned()),
        Just("://a:".to_owned()),
        "[ \0'\"=;&@:\\\\{}(),?#$-]",
        "[ \0'\"=\\\\]",
        "\\PC{0,6}",
    ]
}

proptest! {
    #[test]
    fn nothing_is_too_much(pieces in prop::collection::vec(piece(), 0..24), is_truncated in any::<bool>()) {
        let argv = pieces.concat();
        let redactor = redactor();
        if let Some(redacted) = redactor.argv(&argv, is_truncated) {
            // The same arguments, as many as before.
            prop_assert_eq!(argv.matches('\0').count(), redacted.matches('\0').count());
            prop_assert!(redacted.contains(MASK));
        }
    }

    #[test]
    fn a_password_is_nowhere(
        secret in "Zq[a-zA-Z0-9!$%^*+/_.,:;@#&=?-]{6,20}Qz",
        before in prop::collection::vec("[a-z]{1,8}", 0..4),
        after in prop::collection::vec("[a-z]{1,8}", 0..4),
        way in 0_usize..6,
    ) {
        let middle = match way {
            0 => format!("--password\0{secret}"),
            1 => format!("--password={secret}"),
            2 => format!("DB_PASSWORD={secret}"),
            3 => format!("-H\0Authorization: Bearer {secret}"),
            4 => format!("sh\0-c\0app --password '{secret}' x"),
            _ => format!("sh\0-c\0DB_PASSWORD=\"{secret}\" app"),
        };
        let mut arguments = before;
        arguments.push(middle);
        arguments.extend(after.iter().cloned());
        let argv = arguments.join("\0") + "\0";
        let redacted = redactor().argv(&argv, false).unwrap_or_default();
        prop_assert!(!redacted.contains("Zq") && !redacted.contains("Qz"), "{redacted:?}");
        for word in after {
            prop_assert!(redacted.contains(&word));
        }
    }
}
