//! Addresses of receivers: as much of RFC 3986 as `smtp` and `http` take.
//!
//! An address may have a token in it: no error repeats it, and what is shown of it is the host and port.

use std::fmt;

/// Where to connect to, and what to ask for there.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    pub scheme: Scheme,
    /// A name, or an address; that of IPv6 without its brackets.
    pub host: String,
    pub port: u16,
    /// From the first `/` on, with the query; `/` at least.
    pub path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Smtp,
    Smtps,
    Http,
    Https,
}

/// Why a text is no address of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("an address begins with {0}")]
    Scheme(&'static str),
    #[error("a name and password in an address are shown by many programs; {0}")]
    Userinfo(&'static str),
    #[error("there is no host in the address; write one such as {0}")]
    Host(&'static str),
    #[error("the port in the address is none; write a number from 1 to 65535")]
    Port,
    #[error("there is a space or another character in the address that has to be written as %20")]
    Character,
    #[error("an address of mail has a host and a port and nothing behind")]
    Path,
}

impl Url {
    /// Of a web hook.
    ///
    /// # Errors
    /// What it should be like.
    pub fn parse_http(text: &str) -> Result<Self, UrlError> {
        let schemes = [
            ("https://", Scheme::Https, 443),
            ("http://", Scheme::Http, 80),
        ];
        parse(text, &schemes).map_err(|error| match error {
            UrlError::Scheme(_) => UrlError::Scheme("https:// or http://"),
            UrlError::Userinfo(_) => {
                UrlError::Userinfo("write a token to a file and name that in token_file")
            }
            UrlError::Host(_) => UrlError::Host("https://hooks.example/alerts"),
            other => other,
        })
    }

    /// Of a mail server.
    ///
    /// # Errors
    /// What it should be like.
    pub fn parse_smtp(text: &str) -> Result<Self, UrlError> {
        let schemes = [
            ("smtps://", Scheme::Smtps, 465),
            ("smtp://", Scheme::Smtp, 25),
        ];
        let url = parse(text, &schemes).map_err(|error| match error {
            UrlError::Scheme(_) => UrlError::Scheme("smtps:// or smtp://"),
            UrlError::Userinfo(_) => UrlError::Userinfo(
                "write the name to user, the password to a file, and name that in password_file",
            ),
            UrlError::Host(_) => UrlError::Host("smtp://mail.example:587"),
            other => other,
        })?;
        match url.path.as_str() {
            "/" => Ok(url),
            _ => Err(UrlError::Path),
        }
    }

    /// Whether what is sent there stays on this host.
    pub fn is_loopback(&self) -> bool {
        match self.host.parse::<core::net::IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// As a request names it: the port where it is not the scheme's own.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        match (self.scheme, self.port) {
            (Scheme::Http, 80) | (Scheme::Https, 443) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

/// Host and port alone.
impl fmt::Debug for Url {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?} {}", self.scheme, self.authority())
    }
}

fn parse(text: &str, schemes: &[(&str, Scheme, u16)]) -> Result<Url, UrlError> {
    let of_scheme = |(prefix, scheme, port): &(&str, Scheme, u16)| {
        let (start, rest) = text.split_at_checked(prefix.len())?;
        start
            .eq_ignore_ascii_case(prefix)
            .then_some((rest, *scheme, *port))
    };
    let Some((rest, scheme, default_port)) = schemes.iter().find_map(of_scheme) else {
        return Err(UrlError::Scheme(""));
    };
    if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(UrlError::Character);
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains('@') {
        return Err(UrlError::Userinfo(""));
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(inside) => {
            let (host, behind) = inside.split_once(']').ok_or(UrlError::Host(""))?;
            if host.parse::<core::net::Ipv6Addr>().is_err() {
                return Err(UrlError::Host(""));
            }
            match behind.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if behind.is_empty() => (host, None),
                None => return Err(UrlError::Port),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let is_part_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_part_of_name) {
        return Err(UrlError::Host(""));
    }
    let port = match port {
        None => default_port,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            match digits.parse::<u16>() {
                Ok(0) | Err(_) => return Err(UrlError::Port),
                Ok(port) => port,
            }
        }
        Some(_) => return Err(UrlError::Port),
    };
    let path = match path.as_bytes().first() {
        None => "/".to_owned(),
        Some(b'?') => format!("/{path}"),
        Some(_) => path.to_owned(),
    };
    Ok(Url {
        scheme,
        host: host.to_owned(),
        port,
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let check = |text: &str, host: &str, port: u16, path: &str| {
            let url = Url::parse_http(text).unwrap();
            assert_eq!(
                (url.host.as_str(), url.port, url.path.as_str()),
                (host, port, path),
                "{text}"
            );
        };
        check("http://127.0.0.1:9000/hook", "127.0.0.1", 9000, "/hook");
        check("https://hooks.example", "hooks.example", 443, "/");
        check("HTTPS://a?b=c#d", "a", 443, "/?b=c");
        check("http://[::1]:8080/x?y", "::1", 8080, "/x?y");
        let url = Url::parse_http("http://[::1]/").unwrap();
        assert_eq!(
            (url.authority().as_str(), url.is_loopback()),
            ("[::1]", true)
        );
        let mail = Url::parse_smtp("smtp://127.0.0.1:2525").unwrap();
        assert_eq!(
            (mail.scheme, mail.port, mail.is_loopback()),
            (Scheme::Smtp, 2525, true)
        );
        assert_eq!(Url::parse_smtp("smtps://mail.example/").unwrap().port, 465);
    }

    #[test]
    fn what_is_no_address_says_why_and_does_not_repeat_it() {
        let check = |text: &str, said: &str| {
            let error = Url::parse_http(text).unwrap_err().to_string();
            assert!(error.contains(said), "{error:?}");
            assert!(!error.contains("s3cret"), "{error:?}");
        };
        check("ftp://s3cret", "begins with https:// or http://");
        check("s3cret", "begins with");
        check("", "begins with");
        check("http://user:s3cret@host/", "token_file");
        check("http:///s3cret", "no host");
        check("http://s3cret\u{e9}", "%20");
        check("http://a b", "%20");
        check("http://a\r\nX: y", "%20");
        check("http://s3cret:0/", "port");
        check("http://s3cret:+80/", "port");
        check("http://s3cret:99999/", "port");
        check("http://[s3cret]/", "no host");
        check("http://[::1]s3cret/", "port");
        assert_eq!(Url::parse_smtp("smtp://a/b"), Err(UrlError::Path));
        let url = Url::parse_http("https://hooks.example/s3cret").unwrap();
        assert_eq!(format!("{url:?}"), "Https hooks.example");
    }
}
