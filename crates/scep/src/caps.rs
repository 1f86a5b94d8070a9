//! GetCACaps (RFC 8894, section 3.5): one keyword a line.

use crate::CryptoMode;

/// The keywords of a capabilities reply.
///
/// A server's side is made by [`Capabilities::of_server`]; a client reads one with [`Capabilities::parse`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools)]
pub struct Capabilities {
    /// `AES`: AES-CBC in envelopes.
    pub aes: bool,
    /// `POSTPKIOperation`: PKIOperation by POST.
    pub post: bool,
    /// `SHA-256`.
    pub sha256: bool,
    /// `SHA-384`: not in the RFC. strongSwan before 5.9.11 takes AES only where it stands.
    pub sha384: bool,
    /// `SHA-512`.
    pub sha512: bool,
    /// `SCEPStandard`: everything that RFC 8894 makes mandatory.
    pub scep_standard: bool,
    /// `Renewal`: RenewalReq.
    pub renewal: bool,
    /// `GetNextCACert`.
    pub next_ca: bool,
    /// `SHA-1`.
    pub sha1: bool,
    /// `DES3`: triple DES in envelopes.
    pub des3: bool,
}

impl Capabilities {
    /// What a profile of this server can do: whether it renews certificates, and whether there is a next CA.
    pub fn of_server(mode: CryptoMode, renewal: bool, next_ca: bool) -> Capabilities {
        let compatible = mode == CryptoMode::Compatible;
        Capabilities {
            aes: true,
            post: true,
            sha256: true,
            sha384: false,
            sha512: true,
            scep_standard: true,
            renewal,
            next_ca,
            sha1: compatible,
            des3: compatible,
        }
    }

    /// The keywords that are set, in the order in which they are sent. AES stands before DES3: certmonger takes the first.
    pub fn keywords(&self) -> Vec<&'static str> {
        self.table()
            .into_iter()
            .filter_map(|(keyword, set)| set.then_some(keyword))
            .collect()
    }

    /// The reply's body: each keyword with a line feed after it.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for keyword in self.keywords() {
            text.push_str(keyword);
            text.push('\n');
        }
        text
    }

    /// Reads a reply. Case is ignored, lines may end in CRLF, unknown keywords are skipped, and `SCEPStandard` implies
    /// `AES`, `POSTPKIOperation` and `SHA-256` (RFC 8894, section 3.5.2).
    pub fn parse(text: &str) -> Capabilities {
        let mut found = Capabilities::default();
        for line in text.lines() {
            let keyword = line.trim();
            for (name, set) in found.table_mut() {
                if name.eq_ignore_ascii_case(keyword) {
                    *set = true;
                }
            }
        }
        if found.scep_standard {
            found.aes = true;
            found.post = true;
            found.sha256 = true;
        }
        found
    }

    fn table(mut self) -> [(&'static str, bool); 10] {
        self.table_mut().map(|(keyword, set)| (keyword, *set))
    }

    fn table_mut(&mut self) -> [(&'static str, &mut bool); 10] {
        [
            ("AES", &mut self.aes),
            ("POSTPKIOperation", &mut self.post),
            ("SHA-256", &mut self.sha256),
            ("SHA-384", &mut self.sha384),
            ("SHA-512", &mut self.sha512),
            ("SCEPStandard", &mut self.scep_standard),
            ("Renewal", &mut self.renewal),
            ("GetNextCACert", &mut self.next_ca),
            ("SHA-1", &mut self.sha1),
            ("DES3", &mut self.des3),
        ]
    }
}

/// The body of a profile's GetCACaps reply.
pub fn render(mode: CryptoMode, renewal: bool, next_ca: bool) -> String {
    Capabilities::of_server(mode, renewal, next_ca).render()
}

/// Reads a GetCACaps reply; see [`Capabilities::parse`].
pub fn parse(text: &str) -> Capabilities {
    Capabilities::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modern_and_compatible_profiles() {
        assert_eq!(
            render(CryptoMode::Modern, true, false),
            "AES\nPOSTPKIOperation\nSHA-256\nSHA-512\nSCEPStandard\nRenewal\n"
        );
        let all = render(CryptoMode::Compatible, true, true);
        assert_eq!(
            all,
            "AES\nPOSTPKIOperation\nSHA-256\nSHA-512\nSCEPStandard\nRenewal\nGetNextCACert\nSHA-1\nDES3\n"
        );
        assert!(all.len() < 1024);
        assert_eq!(
            render(CryptoMode::Modern, false, false),
            "AES\nPOSTPKIOperation\nSHA-256\nSHA-512\nSCEPStandard\n"
        );
    }

    #[test]
    fn what_is_rendered_is_read_again() {
        for mode in [CryptoMode::Modern, CryptoMode::Compatible] {
            for (renewal, next_ca) in [(false, false), (true, false), (true, true)] {
                let made = Capabilities::of_server(mode, renewal, next_ca);
                assert_eq!(parse(&made.render()), made);
            }
        }
    }

    #[test]
    fn other_servers_spellings_are_read() {
        let found = parse("aes\r\npostpkioperation\r\n SHA-1 \r\nFancyNewThing\r\n\r\n");
        assert!(found.aes && found.post && found.sha1);
        assert!(!found.sha256 && !found.renewal && !found.des3 && !found.scep_standard);
        let standard = parse("SCEPStandard");
        assert!(standard.aes && standard.post && standard.sha256 && !standard.sha512);
        assert_eq!(parse(""), Capabilities::default());
    }
}
