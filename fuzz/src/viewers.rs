//! What recorder and viewer say to each other.

use procwatch::viewers::protocol::{
    FromViewer, Greeting, MESSAGE_MAX, REQUEST_MAX, ToViewer, encode, take,
};

/// A message comes back from what it is sent as, and a sample is whole or refused.
pub(crate) fn recorder_says(bytes: &[u8]) {
    let mut incoming = bytes.to_vec();
    while let Ok(Some(message)) = take::<ToViewer>(&mut incoming, MESSAGE_MAX) {
        let mut again = encode(&message);
        let same: ToViewer = take(&mut again, MESSAGE_MAX)
            .expect("what was sent")
            .expect("all of it");
        assert_eq!(format!("{same:?}"), format!("{message:?}"));
        if let ToViewer::Sample(update) = message
            && let Ok(sample) = update.apply(None)
        {
            let ids = sample.processes.iter().map(|process| process.id);
            assert!(ids.is_sorted_by(|one, next| one < next));
        }
    }
}

/// A recorder takes a greeting and requests, or nothing.
pub(crate) fn viewer_says(bytes: &[u8]) {
    let mut incoming = bytes.to_vec();
    if let Ok(Some(greeting)) = Greeting::take(&mut incoming) {
        let mut line = greeting.line().into_bytes();
        assert_eq!(Greeting::take(&mut line), Ok(Some(greeting)));
    }
    while let Ok(Some(request)) = take::<FromViewer>(&mut incoming, REQUEST_MAX) {
        let mut again = encode(&request);
        assert_eq!(take(&mut again, REQUEST_MAX), Ok(Some(request)));
    }
}
