//! Key and certificate as one thing: a pair is a directory, and which one is in force is one symbolic link.
//!
//! | path | is |
//! |---|---|
//! | `pairs/<number>` | one pair: `cert.pem`, `chain.pem`, `ca.pem`, `key.pem`, and the transactionID that it came by |
//! | `pairs/current`, `pairs/previous` | links to the pair in force and the one before |
//! | `key.pem`, `cert.pem`, `chain.pem`, `ca.pem` | links through `pairs/current`: they all change by one rename |
//! | `key.pem.previous`, `cert.pem.previous` | links through `pairs/previous` |
//!
//! A pair is written as `pairs/<number>.part` and synced; the rename that takes `.part` away is the moment from which on
//! it counts. Whatever is left to be done then, [`Pairs::finish`] does, now or at the next call.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::durable::{self, Access};
use super::{CERT, KEY};
use crate::client::Error;

const CHAIN: &str = "chain.pem";
const CA: &str = "ca.pem";
const TRANSACTION: &str = "transaction";
/// The files of a pair that have a link in the directory.
const LINKED: [&str; 4] = [KEY, CERT, CHAIN, CA];
const CURRENT: &str = "current";
const PREVIOUS: &str = "previous";

/// What a pair is made of.
pub(super) struct Parts {
    /// `key.pem`; none where the key is kept elsewhere.
    pub(super) key: Option<Zeroizing<Vec<u8>>>,
    pub(super) certificate: Option<Vec<u8>>,
    pub(super) chain: Option<Vec<u8>>,
    pub(super) ca: Option<Vec<u8>>,
    /// The transactionID.
    pub(super) transaction: String,
}

/// The pairs of a directory.
pub(super) struct Pairs<'a> {
    /// The directory, above `pairs`.
    folder: &'a Path,
    place: PathBuf,
}

impl<'a> Pairs<'a> {
    pub(super) fn of(folder: &'a Path) -> Pairs<'a> {
        Pairs {
            folder,
            place: folder.join("pairs"),
        }
    }

    /// Keeps a pair and puts it in force.
    pub(super) fn put(&self, parts: &Parts) -> Result<(), Error> {
        durable::make_dir(&self.place)?;
        self.adopt(parts.key.as_ref().map(|key| key.as_slice()))?;
        self.commit(parts)?;
        self.finish()
    }

    /// The transactionID by which the pair in force came.
    pub(super) fn transaction(&self) -> Option<String> {
        fs::read_to_string(self.place.join(CURRENT).join(TRANSACTION)).ok()
    }

    /// Does what is left to be done of a [`put`](Self::put) that was broken off.
    pub(super) fn finish(&self) -> Result<(), Error> {
        let numbers = self.numbers()?;
        let Some(newest) = numbers.iter().max().copied() else {
            return Ok(());
        };
        let current = self.target(CURRENT);
        if current != Some(newest) {
            if let Some(current) = current {
                self.turn(PREVIOUS, current)?;
            }
            self.turn(CURRENT, newest)?;
        }
        for name in LINKED {
            self.show(name, CURRENT, name)?;
        }
        if self.target(PREVIOUS).is_some() {
            for name in [KEY, CERT] {
                self.show(&format!("{name}.previous"), PREVIOUS, name)?;
            }
        }
        let kept = [Some(newest), self.target(PREVIOUS)];
        for number in numbers {
            if !kept.contains(&Some(number)) {
                durable::remove_dir(&self.place.join(number.to_string()))?;
            }
        }
        Ok(())
    }

    /// Files that lie in the directory themselves, of an earlier version or put there by hand, become the pair in force,
    /// so that they are the previous one afterwards. A key that was made for the pair that comes is no such file.
    fn adopt(&self, key: Option<&[u8]>) -> Result<(), Error> {
        let mut found = false;
        for name in LINKED {
            let path = self.folder.join(name);
            let is_file = fs::symlink_metadata(&path).is_ok_and(|there| there.is_file());
            found |=
                is_file && (name != KEY || key.is_some() && self.shown(KEY)?.as_deref() != key);
        }
        if !found {
            return Ok(());
        }
        self.commit(&Parts {
            key: self.shown(KEY)?.map(Zeroizing::new),
            certificate: self.shown(CERT)?,
            chain: self.shown(CHAIN)?,
            ca: self.shown(CA)?,
            transaction: String::new(),
        })?;
        self.finish()
    }

    /// Writes a pair; when this returns, it is on the disk and counts.
    fn commit(&self, parts: &Parts) -> Result<(), Error> {
        let number = self.numbers()?.iter().max().map_or(1, |newest| newest + 1);
        let place = self.place.join(number.to_string());
        let part = self.place.join(format!("{number}.part"));
        if part.exists() {
            durable::remove_dir(&part)?;
        }
        durable::make_dir(&part)?;
        // A key of the directory that is not the pair's stays what it is.
        let other = match &parts.key {
            Some(_) => None,
            None => self.shown(KEY)?.map(Zeroizing::new),
        };
        let key = parts.key.as_ref().or(other.as_ref()).map(|key| &**key);
        for (name, content, access) in [
            (KEY, key, Access::Owner),
            (CERT, parts.certificate.as_ref(), Access::Usual),
            (CHAIN, parts.chain.as_ref(), Access::Usual),
            (CA, parts.ca.as_ref(), Access::Usual),
        ] {
            if let Some(content) = content {
                durable::fresh(&part.join(name), content, access)?;
            }
        }
        let transaction = parts.transaction.as_bytes();
        durable::fresh(&part.join(TRANSACTION), transaction, Access::Usual)?;
        durable::sync_dir(&part)?;
        durable::rename(&part, &place)?;
        durable::sync_dir(&self.place)
    }

    /// What a name of the directory shows, be it a file or a link.
    fn shown(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.folder.join(name);
        match fs::read(&path) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::file(path, error)),
        }
    }

    /// The pairs that count.
    fn numbers(&self) -> Result<Vec<u64>, Error> {
        let entries = match fs::read_dir(&self.place) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::file(&self.place, error)),
        };
        let names = entries.map(|entry| Ok(entry?.file_name()));
        let names = names.collect::<io::Result<Vec<_>>>();
        let names = names.map_err(|error| Error::file(&self.place, error))?;
        let number = |name: &std::ffi::OsString| name.to_str()?.parse().ok();
        Ok(names.iter().filter_map(number).collect())
    }

    /// Which pair `current` or `previous` leads to.
    fn target(&self, link: &str) -> Option<u64> {
        let target = fs::read_link(self.place.join(link)).ok()?;
        target.to_str()?.parse().ok()
    }

    fn turn(&self, link: &str, number: u64) -> Result<(), Error> {
        let target = PathBuf::from(number.to_string());
        durable::link(&target, &self.place.join(link))
    }

    /// Makes `name` of the directory a link to a file of a pair. A file that stands there and is another is left alone.
    fn show(&self, name: &str, pair: &str, file: &str) -> Result<(), Error> {
        let link = self.folder.join(name);
        let target = Path::new("pairs").join(pair).join(file);
        if fs::read_link(&link).is_ok_and(|there| there == target) {
            return Ok(());
        }
        let Ok(content) = fs::read(self.place.join(pair).join(file)) else {
            return Ok(());
        };
        let free = match fs::symlink_metadata(&link) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(Error::file(link, error)),
            Ok(there) if there.is_symlink() => true,
            Ok(_) => fs::read(&link).is_ok_and(|there| there == content),
        };
        if free {
            durable::link(&target, &link)?;
        }
        Ok(())
    }
}
