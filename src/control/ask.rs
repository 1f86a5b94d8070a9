//! The command line's side of the socket.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::work::Sink;
use super::{ANSWERED, Answer, EXPORTED, LONG_PATIENCE, Order, PATIENCE, SOCKET, ShortDir};

/// Why no server answered.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No server runs on this data directory.
    #[error("no server answers on {}", path.display())]
    NotRunning {
        /// The socket.
        path: PathBuf,
    },
    /// One runs, and the conversation failed.
    #[error("the server on {} did not answer: {source}", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Sends an order to the server that runs on `data_dir`. Lines of an export go to `sink`.
///
/// # Errors
/// [`ControlError`].
pub fn ask(data_dir: &Path, order: &Order, sink: Sink<'_>) -> Result<Answer, ControlError> {
    let path = data_dir.join(SOCKET);
    let connected =
        ShortDir::open(data_dir).and_then(|short| UnixStream::connect(short.path().join(SOCKET)));
    let stream = match connected {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Err(ControlError::NotRunning { path });
        }
        Err(source) => return Err(ControlError::Broken { path, source }),
    };
    converse(stream, order, sink).map_err(|source| ControlError::Broken { path, source })
}

/// Whether a server runs on `data_dir`, as far as its socket tells.
#[must_use]
pub fn is_served(data_dir: &Path) -> bool {
    ShortDir::open(data_dir)
        .and_then(|short| UnixStream::connect(short.path().join(SOCKET)))
        .is_ok()
}

fn converse(mut stream: UnixStream, order: &Order, sink: Sink<'_>) -> io::Result<Answer> {
    let patience = match order {
        Order::VerifyAudit
        | Order::VerifyStore
        | Order::ExportAudit { .. }
        | Order::WaitingRevocations { .. }
        | Order::ImportCertificates(_)
        | Order::ChangeCertificates(_) => LONG_PATIENCE,
        Order::CreateToken { .. }
        | Order::ListTokens
        | Order::RevokeToken { .. }
        | Order::CreateChallenge(_)
        | Order::ListChallenges { .. }
        | Order::WithdrawChallenge { .. }
        | Order::DecideRevocations { .. } => PATIENCE,
    };
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_string(order)?;
    line.push('\n');
    stream.write_all(line.as_bytes())?;
    let mut reading = BufReader::new(stream);
    let mut line = Zeroizing::new(String::new());
    loop {
        line.clear();
        if reading.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = line.trim_end_matches('\n');
        if let Some(exported) = text.strip_prefix(EXPORTED) {
            sink(exported)?;
        } else if let Some(answer) = text.strip_prefix(ANSWERED) {
            return Ok(serde_json::from_str(answer)?);
        } else {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}
