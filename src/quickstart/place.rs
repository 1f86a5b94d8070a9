//! This machine: its names and addresses, and files in the directory.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use pki::SubjectAltNames;

use super::Error;

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    Owner,
    All,
}

/// Turns an error of the system into one that names the file.
pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { path, source }
}

/// The directory, for its owner alone when it is made here.
pub(super) fn directory(path: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(io(path))
}

/// Removes a file if it is there.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io(path)(error)),
        _ => Ok(()),
    }
}

/// Writes beside the place and renames, so that the file is whole or not there.
pub(super) fn write(path: &Path, content: &[u8], readers: Readers) -> Result<(), Error> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let unfinished = Path::new(&unfinished);
    remove(unfinished)?;
    let mode = if readers == Readers::Owner {
        0o600
    } else {
        0o644
    };
    let written = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(unfinished)?;
        // A file for all is one in a process that gives nothing to others, too.
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(unfinished, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    written().map_err(io(path))
}

/// Reads a text file that this program wrote earlier.
pub(super) fn read(path: &Path) -> Result<zeroize::Zeroizing<String>, Error> {
    std::fs::read_to_string(path)
        .map(zeroize::Zeroizing::new)
        .map_err(io(path))
}

/// Under which names and addresses this machine can be reached.
pub(super) fn own_names() -> SubjectAltNames {
    let mut names = SubjectAltNames {
        dns: vec!["localhost".to_owned()],
        ..SubjectAltNames::default()
    };
    if let Some(host) = host_name().filter(|host| host != "localhost") {
        names.dns.push(host);
    }
    names.ip = vec![
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ];
    names.ip.extend(outward_address());
    names
}

/// The name under which others know this machine best.
pub(super) fn own_name() -> String {
    host_name().unwrap_or_else(|| "localhost".to_owned())
}

fn host_name() -> Option<String> {
    let name = rustix::system::uname()
        .nodename()
        .to_str()
        .ok()?
        .to_ascii_lowercase();
    let plain = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    (plain && !name.is_empty() && name.len() <= 253).then_some(name)
}

/// The address that this machine would send from. Nothing is sent: connecting a datagram socket
/// only chooses a route (192.0.2.0/24 is set aside for documentation).
pub(super) fn outward_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rustix::fs::Mode;

    use super::*;

    #[test]
    fn files_are_whole_and_only_as_readable_as_asked() {
        let directory = tempfile::tempdir().unwrap();
        for (name, readers, mode) in [("a", Readers::Owner, 0o600), ("b", Readers::All, 0o644)] {
            let path = directory.path().join(name);
            write(&path, b"one", readers).unwrap();
            write(&path, b"two", readers).unwrap();
            assert_eq!(read(&path).unwrap().as_str(), "two");
            assert_eq!(
                std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                mode
            );
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_for_all_is_one_whatever_the_process_gives_to_others() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let before = rustix::process::umask(Mode::from_raw_mode(0o077));
        write(&path, b"for all", Readers::All).unwrap();
        rustix::process::umask(before);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    }

    #[test]
    fn this_machine_has_names() {
        let names = own_names();
        assert_eq!(names.dns.first().map(String::as_str), Some("localhost"));
        assert!(names.ip.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
}
