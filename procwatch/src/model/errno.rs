//! Names of the errors that connects end with.

/// As in `errno(3)`; `errno N` for those that no connect is known to end with.
pub fn name(number: u32) -> String {
    let name = match number {
        4 => "EINTR",
        13 => "EACCES",
        22 => "EINVAL",
        98 => "EADDRINUSE",
        99 => "EADDRNOTAVAIL",
        100 => "ENETDOWN",
        101 => "ENETUNREACH",
        103 => "ECONNABORTED",
        104 => "ECONNRESET",
        110 => "ETIMEDOUT",
        111 => "ECONNREFUSED",
        112 => "EHOSTDOWN",
        113 => "EHOSTUNREACH",
        125 => "ECANCELED",
        other => return format!("errno {other}"),
    };
    name.to_owned()
}
