//! A line for every SCEP request: in the log, or in a log of its own (`[log] access`).
//!
//! In the log a success is at DEBUG and all else at INFO. A log of its own holds all of them, and is written by a thread
//! of its own: a disk that is slow costs lines, which are counted and said, and keeps no request waiting.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use super::logs::Escaped;
use crate::config::{Access, Log, LogFormat};

/// Lines that may wait for the disk; what comes then is lost.
const WAITING: usize = 8192;

/// The longest path that a line holds, in characters.
const PATH_LENGTH: usize = 200;

/// What a line says. Texts from outside are as they came; they are escaped where they are written.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Line<'a> {
    /// What was asked for, as metrics call it.
    pub(crate) operation: &'a str,
    /// The profile's path id; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) profile: Option<&'a str>,
    /// Where there is none: the profile that may have been meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nearest_profile: Option<&'a str>,
    pub(crate) source: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transaction_id: Option<&'a str>,
    /// The HTTP status; absent where the client went away before there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// How it ended, as metrics call it.
    pub(crate) outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<&'a str>,
    /// Without the query: that may hold the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<&'a str>,
    /// Time from the request's head to its answer.
    pub(crate) milliseconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<&'a str>,
}

impl Line<'_> {
    /// Of a request of which nothing is known but where it came from.
    pub(crate) fn of(source: IpAddr) -> Self {
        Self {
            operation: "other",
            profile: None,
            nearest_profile: None,
            source: source.to_canonical(),
            user_agent: None,
            transaction_id: None,
            status: None,
            outcome: "unreadable",
            method: None,
            path: None,
            milliseconds: 0,
            request_id: None,
        }
    }
}

/// Where lines about requests go.
#[derive(Default)]
pub(crate) struct AccessLog {
    own: ArcSwapOption<OwnLog>,
}

impl AccessLog {
    /// Opens what the settings name, also where it is open already: a file that was renamed is started anew.
    ///
    /// # Errors
    /// Why the file cannot be opened.
    pub(crate) fn open(settings: &Log) -> io::Result<Opened> {
        Ok(Opened(match &settings.access {
            Access::Log => None,
            Access::Stdout => {
                let stdout = Box::new(io::stdout());
                Some(Arc::new(OwnLog::start(stdout, settings.format)?))
            }
            Access::File(path) => {
                let file = OpenOptions::new()
                    .append(true)
                    .create(true)
                    .mode(0o640)
                    .open(path)?;
                Some(Arc::new(OwnLog::start(Box::new(file), settings.format)?))
            }
        }))
    }

    /// Lines go there from now on. What was open is written to its end and closed.
    pub(crate) fn apply(&self, opened: Opened) {
        self.own.store(opened.0);
    }

    /// Writes a line about a request that was answered at `now`.
    pub(crate) fn write(&self, line: &Line<'_>, now: impl FnOnce() -> DateTime<Utc>) {
        let path: Option<String> = line
            .path
            .filter(|path| path.len() > PATH_LENGTH)
            .map(|path| path.chars().take(PATH_LENGTH).collect());
        let line = Line {
            path: path.as_deref().or(line.path),
            ..*line
        };
        match &*self.own.load() {
            Some(own) => own.send(&line, now()),
            None => into_the_log(&line),
        }
    }
}

/// Where lines are to go, ready for them.
pub(crate) struct Opened(Option<Arc<OwnLog>>);

macro_rules! event {
    ($level:ident, $line:expr) => {
        tracing::$level!(
            operation = $line.operation,
            profile = $line.profile,
            nearest_profile = $line.nearest_profile,
            source = %$line.source,
            user_agent = $line.user_agent,
            transaction_id = $line.transaction_id,
            status = $line.status,
            outcome = $line.outcome,
            method = $line.method,
            path = $line.path,
            milliseconds = $line.milliseconds,
            request_id = $line.request_id,
            "SCEP request"
        )
    };
}

fn into_the_log(line: &Line<'_>) {
    if line.outcome == "success" {
        event!(debug, line);
    } else {
        event!(info, line);
    }
}

/// A log of its own and its thread.
struct OwnLog {
    format: LogFormat,
    lines: Option<SyncSender<String>>,
    lost: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl OwnLog {
    fn start(to: Box<dyn Write + Send>, format: LogFormat) -> io::Result<Self> {
        let (lines, waiting) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        let thread = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write_all(&waiting, to, &counted))?;
        Ok(Self {
            format,
            lines: Some(lines),
            lost,
            thread: Some(thread),
        })
    }

    fn send(&self, line: &Line<'_>, now: DateTime<Utc>) {
        let text = match self.format {
            LogFormat::Json => json(line, now),
            LogFormat::Text => text(line, now),
        };
        let sent = self.lines.as_ref().map(|lines| lines.try_send(text));
        if !matches!(sent, Some(Ok(()))) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for OwnLog {
    /// What was said is on disk afterwards.
    fn drop(&mut self) {
        self.lines = None;
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// How long lines wait to be written together.
const TOGETHER: Duration = Duration::from_millis(200);

fn write_all(lines: &Receiver<String>, to: Box<dyn Write + Send>, lost: &AtomicU64) {
    let mut to = BufWriter::new(to);
    let mut failing = false;
    let mut open = true;
    while open {
        let mut written = Ok(());
        let mut next = lines.recv().map_err(|_| open = false).ok();
        while let Some(line) = next {
            written = written.and_then(|()| to.write_all(line.as_bytes()));
            next = lines.try_recv().ok();
        }
        let written = written.and_then(|()| to.flush());
        if let Err(error) = &written
            && !failing
        {
            tracing::error!(%error, "the access log cannot be written; its lines are lost until it can");
        }
        failing = written.is_err();
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(
                lines = lost,
                "lines of the access log were lost: what they are written to is too slow"
            );
        }
        if open && !failing {
            // Under load many lines make one write.
            std::thread::park_timeout(TOGETHER);
        }
    }
}

fn json(line: &Line<'_>, now: DateTime<Utc>) -> String {
    #[derive(Serialize)]
    struct Timed<'a> {
        timestamp: String,
        #[serde(flatten)]
        line: &'a Line<'a>,
    }
    let timed = Timed {
        timestamp: time(now),
        line,
    };
    // It holds texts and numbers alone: there is nothing that JSON cannot say.
    serde_json::to_string(&timed).unwrap_or_default() + "\n"
}

fn text(line: &Line<'_>, now: DateTime<Utc>) -> String {
    use std::fmt::Write as _;
    let mut out = time(now);
    let mut escaped = Escaped(&mut out);
    let mut add = |name: &str, value: &dyn std::fmt::Debug| {
        // Writing to a text cannot fail.
        let _ = write!(escaped, " {name}={value:?}");
    };
    add("operation", &line.operation);
    let texts = [
        ("profile", line.profile),
        ("nearest_profile", line.nearest_profile),
    ];
    for (name, value) in texts {
        value.inspect(|value| add(name, value));
    }
    add("source", &line.source);
    for (name, value) in [
        ("user_agent", line.user_agent),
        ("transaction_id", line.transaction_id),
    ] {
        value.inspect(|value| add(name, value));
    }
    line.status.inspect(|status| add("status", status));
    add("outcome", &line.outcome);
    for (name, value) in [("method", line.method), ("path", line.path)] {
        value.inspect(|value| add(name, value));
    }
    add("milliseconds", &line.milliseconds);
    line.request_id.inspect(|id| add("request_id", id));
    out.push('\n');
    out
}

fn time(now: DateTime<Utc>) -> String {
    now.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::Ipv4Addr;

    const LINE: Line<'_> = Line {
        operation: "GetCACaps",
        profile: None,
        nearest_profile: Some("corp"),
        source: IpAddr::V4(Ipv4Addr::LOCALHOST),
        user_agent: Some("a\"b\n2026 forged"),
        transaction_id: None,
        status: Some(404),
        outcome: "not_found",
        method: Some("GET"),
        path: Some("/scep/crop\u{1b}\u{202e}"),
        milliseconds: 3,
        request_id: Some("00ff"),
    };

    #[test]
    fn what_comes_from_outside_cannot_begin_a_line_or_a_field() {
        let line = text(&LINE, DateTime::UNIX_EPOCH);
        assert_eq!(
            line,
            "1970-01-01T00:00:00.000Z operation=\"GetCACaps\" nearest_profile=\"corp\" source=127.0.0.1 \
             user_agent=\"a\\\"b\\n2026 forged\" status=404 outcome=\"not_found\" method=\"GET\" \
             path=\"/scep/crop\\u{1b}\\u{202e}\" milliseconds=3 request_id=\"00ff\"\n"
        );
        let line = json(&LINE, DateTime::UNIX_EPOCH);
        assert_eq!(line.matches('\n').count(), 1);
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["user_agent"], "a\"b\n2026 forged");
        assert_eq!(read["timestamp"], "1970-01-01T00:00:00.000Z");
        assert!(read.get("profile").is_none());
    }

    #[test]
    fn a_log_of_its_own_is_whole_when_it_is_closed_and_begun_anew_when_it_was_renamed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        let settings = Log {
            access: Access::File(path.clone()),
            format: LogFormat::Json,
            ..Log::default()
        };
        let log = AccessLog::default();
        log.apply(AccessLog::open(&settings).unwrap());
        for _ in 0..100 {
            log.write(&LINE, || DateTime::UNIX_EPOCH);
        }
        let renamed = dir.path().join("access.log.1");
        std::fs::rename(&path, &renamed).unwrap();
        log.apply(AccessLog::open(&settings).unwrap());
        log.write(&LINE, || DateTime::UNIX_EPOCH);
        drop(log);
        let lines = |path| std::fs::read_to_string(path).unwrap().lines().count();
        assert_eq!((lines(&renamed), lines(&path)), (100, 1));
    }
}
