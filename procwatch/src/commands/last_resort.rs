//! An end for those who write to somebody that has stopped reading.
//!
//! Writing to a full pipe blocks, and with it the thread that listens for signals. This thread listens as
//! well, and ends the process when a second signal, or enough time after the first, has not.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::notice::notice;

/// After the first signal: longer than an orderly end takes.
const PATIENCE: Duration = Duration::from_secs(8);
/// After the second: an orderly end takes milliseconds then.
const IMPATIENCE: Duration = Duration::from_secs(1);

/// Wrong use, or failure.
const FAILED: i32 = 2;

/// Starts to watch. Without the thread, signals end the process only as long as output is read.
pub(super) fn stand_by() {
    let _ = std::thread::Builder::new()
        .name("last resort".to_owned())
        .spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            if let Ok(runtime) = runtime {
                runtime.block_on(wait_and_end());
            }
        });
}

async fn wait_and_end() {
    let signals = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    );
    let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
        return;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tokio::select! {
        _ = interrupt.recv() => tokio::time::sleep(IMPATIENCE).await,
        _ = terminate.recv() => tokio::time::sleep(IMPATIENCE).await,
        () = tokio::time::sleep(PATIENCE) => {}
    }
    notice(format_args!(
        "procwatch: standard output takes no more: whoever reads it has stopped reading"
    ));
    std::process::exit(FAILED);
}
