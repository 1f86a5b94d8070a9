//! How log lines look, and which there are: `[log]`.
//!
//! Lines go to stderr. In text no value can end a line or begin another one: control characters are written as escapes.
//! JSON lines are one object each, with `request_id` where a request is concerned.

use std::fmt::{Debug, Write as _};
use std::sync::OnceLock;

use tracing::field::Field;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{self, Log, LogFormat};

static LEVEL: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Libraries that say much and nothing for operators; a level for one of them in `log.level` goes before these.
const QUIET: &str = "sled=warn,rustls=warn,hyper=info,hyper_util=info,reqwest=info,actix=info,actix_rt=info,mio=info";

/// All levels, from silence on.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Says why a text is no `log.level`.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn check(level: &str) -> Result<(), String> {
    filter(level).map(drop)
}

fn filter(level: &str) -> Result<EnvFilter, String> {
    let directives: Vec<&str> = level
        .split(',')
        .map(str::trim)
        .filter(|directive| !directive.is_empty())
        .collect();
    if directives.is_empty() {
        return Err("it names no level".to_owned());
    }
    for directive in &directives {
        if !directive.contains('=') {
            is_level(directive)?;
        }
    }
    let own = directives.join(",");
    EnvFilter::try_new(&own)
        .and_then(|_| EnvFilter::try_new(format!("{QUIET},{own}")))
        .map_err(|error| format!("it is no log filter: {error}"))
}

/// The library takes any other word for the name of a module, and logs nothing of all others: a
/// mistyped level would silence the server.
fn is_level(word: &str) -> Result<(), String> {
    let named = LEVELS.iter().any(|level| word.eq_ignore_ascii_case(level));
    if named || matches!(word.as_bytes(), [b'0'..=b'5']) {
        return Ok(());
    }
    let nearest = config::nearest(LEVELS, word)
        .map(|nearest| format!("; did you mean `{nearest}`?"))
        .unwrap_or_default();
    Err(format!("`{word}` is no level{nearest}"))
}

/// Puts another level in force, where [`start`] has started logging. The format stays.
///
/// # Errors
/// The level is no filter. What was in force stays.
pub(crate) fn change(settings: &Log) -> Result<(), String> {
    let filter = filter(&settings.level).map_err(|error| format!("log.level: {error}"))?;
    match LEVEL.get() {
        Some(level) => level
            .reload(filter)
            .map_err(|error| format!("log.level: {error}")),
        // The process belongs to somebody else, and so does its log.
        None => Ok(()),
    }
}

/// Starts logging in this process. That is for its `main` to decide, never for a server: there may be several.
///
/// # Errors
/// The level is no filter.
pub(crate) fn start(settings: &Log) -> Result<(), String> {
    let filter = filter(&settings.level).map_err(|error| format!("log.level: {error}"))?;
    let (filter, level) = reload::Layer::new(filter);
    let lines: Box<dyn Layer<_> + Send + Sync> = match settings.format {
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_writer(std::io::stderr)
            .boxed(),
        LogFormat::Text => fmt::layer()
            .with_ansi(false)
            .fmt_fields(debug_fn(field).delimited(" "))
            .with_writer(std::io::stderr)
            .boxed(),
    };
    if tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()
        .is_ok()
    {
        let _ = LEVEL.set(level);
    }
    Ok(())
}

/// One field of a text line.
fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> std::fmt::Result {
    // Where a line came from in a library that logs by the `log` crate; the target says enough.
    if field.name().starts_with("log.") {
        return Ok(());
    }
    if field.name() != "message" {
        write!(writer, "{}=", field.name())?;
    }
    write!(Escaped(writer), "{value:?}")
}

/// Writes control characters as escapes.
pub(super) struct Escaped<'a, W>(pub(super) &'a mut W);

impl<W: std::fmt::Write> std::fmt::Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for character in text.chars() {
            if character.is_control()
                || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}')
            {
                write!(self.0, "{}", character.escape_unicode())?;
            } else {
                self.0.write_char(character)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nothing_can_begin_a_line_of_its_own() {
        let mut line = String::new();
        let mut writer = Writer::new(&mut line);
        write!(
            Escaped(&mut writer),
            "CN=a\r\n2026 ERROR forged \u{1b}[31m\u{202e}"
        )
        .unwrap();
        assert!(!line.chars().any(char::is_control), "{line}");
        assert!(line.contains("\\u{a}"), "{line}");
    }

    #[test]
    fn words_that_are_no_level_are_refused_with_the_nearest() {
        for (level, nearest) in [
            ("warning", "`warn`"),
            ("info,inof", "`info`"),
            ("Debgu", "`debug`"),
        ] {
            let said = filter(level).map(drop).unwrap_err();
            assert!(said.contains(nearest), "{level}: {said}");
        }
        for level in ["", " ", ",", "scepd", "scepd::server,info", "6"] {
            assert!(filter(level).is_err(), "{level:?}");
        }
        for level in [
            "info",
            "WARN",
            "Off",
            "0",
            "5",
            "info,scepd=debug",
            "warn,scepd::server=trace,",
        ] {
            assert!(filter(level).is_ok(), "{level:?}");
        }
    }

    #[test]
    fn blanks_around_a_directive_do_not_change_it() {
        let plain = filter("warn,scepd=debug").unwrap().to_string();
        assert_eq!(filter(" warn, scepd=debug ").unwrap().to_string(), plain);
    }

    #[test]
    fn a_level_that_is_no_filter_is_refused() {
        let settings = Log {
            level: "scepd=loud".to_owned(),
            ..Log::default()
        };
        assert!(change(&settings).is_err());
    }
}
