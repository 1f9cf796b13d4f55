//! A mail: text and HTML as alternatives, the curves inline.

use std::time::{Duration, UNIX_EPOCH};

use lettre::{
    Message,
    message::{
        Attachment, Mailbox, MultiPart, SinglePart,
        header::{ContentType, HeaderName, HeaderValue},
    },
};

use super::{chart, harmless, html, plain, title};
use crate::{model::alert::Alert, notify::letter::Letter};

/// Curves in one mail.
const CHARTS_MAX: usize = 5;
/// A subject that is longer is shown by no program, and by some cut in the wrong place.
const SUBJECT_WIDTH: usize = 160;

/// The bytes as they go to a server.
///
/// # Errors
/// When the addresses make no mail.
pub(in crate::notify) fn mail(
    letter: &Letter,
    from: &Mailbox,
    to: &[Mailbox],
) -> Result<Vec<u8>, String> {
    let domain = from.email.domain();
    let mut builder = Message::builder()
        .from(from.clone())
        .subject(harmless(&title(letter), SUBJECT_WIDTH))
        .date(UNIX_EPOCH + Duration::from_nanos(letter.made_ns))
        .message_id(Some(format!("<procwatch.{}@{domain}>", letter.key)))
        // RFC 3834: nobody's absence is to be told to it.
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
    for mailbox in to {
        builder = builder.to(mailbox.clone());
    }
    let charts = charts(letter, domain);
    let id_of = |alert: &Alert| {
        charts
            .iter()
            .find(|chart| std::ptr::eq(chart.alert, alert))
            .map(|chart| chart.id.clone())
    };
    let png = ContentType::parse("image/png").map_err(|error| error.to_string())?;
    let mut related = MultiPart::related().singlepart(SinglePart::html(html::page(letter, id_of)));
    for chart in charts {
        let part = Attachment::new_inline(chart.id).body(chart.png, png.clone());
        related = related.singlepart(part);
    }
    let body = MultiPart::alternative()
        .singlepart(SinglePart::plain(plain::text(letter)))
        .multipart(related);
    let message = builder.multipart(body).map_err(|error| error.to_string())?;
    Ok(message.formatted())
}

struct Chart<'a> {
    alert: &'a Alert,
    id: String,
    png: Vec<u8>,
}

fn charts<'a>(letter: &'a Letter, domain: &str) -> Vec<Chart<'a>> {
    let in_order = letter.groups().into_iter().flat_map(|group| group.alerts);
    let drawn = in_order.enumerate().filter_map(|(number, alert)| {
        Some(Chart {
            alert,
            id: format!("curve{number}.{}@{domain}", letter.key),
            png: chart::png(alert)?,
        })
    });
    drawn.take(CHARTS_MAX).collect()
}
