//! HRESULTs of the CA, and what Windows says of each.

use super::{certsrv, envelope};
use crate::message::{Answer, Request};
use crate::world::World;

/// A code, by its name and number, whether the request itself is to blame, and its words.
pub(crate) type Code = (&'static str, u32, bool, &'static str);

/// Of winerror.h.
pub(crate) const CODES: [Code; 16] = [
    (
        "0x80094800",
        0x8009_4800,
        true,
        "The requested certificate template is not supported by this CA.",
    ),
    (
        "0x80094801",
        0x8009_4801,
        true,
        "The request contains no certificate template information.",
    ),
    (
        "0x80094011",
        0x8009_4011,
        true,
        "The permissions on this certification authority do not allow the current user to enroll for certificates.",
    ),
    (
        "0x80094012",
        0x8009_4012,
        true,
        "The permissions on the certificate template do not allow the current user to enroll for this type of certificate.",
    ),
    (
        "0x80094014",
        0x8009_4014,
        true,
        "The request was denied by a certificate manager or CA administrator.",
    ),
    (
        "0x8009480f",
        0x8009_480f,
        true,
        "The DNS name is unavailable and cannot be added to the Subject Alternate name.",
    ),
    (
        "0x80094812",
        0x8009_4812,
        true,
        "The E-mail name is unavailable and cannot be added to the Subject or Subject Alternate name.",
    ),
    (
        "0x80094811",
        0x8009_4811,
        true,
        "The public key does not meet the minimum size required by the specified certificate template.",
    ),
    (
        "0x8009480a",
        0x8009_480a,
        true,
        "The request is missing one or more required valid signatures.",
    ),
    ("0x80090006", 0x8009_0006, true, "Invalid Signature."),
    ("0x8009310b", 0x8009_310b, true, "ASN1 bad tag value met."),
    (
        "0x80090008",
        0x8009_0008,
        true,
        "Invalid algorithm specified.",
    ),
    (
        "0x80070057",
        0x8007_0057,
        true,
        "The parameter is incorrect.",
    ),
    ("0x80070005", 0x8007_0005, false, "Access is denied."),
    (
        "0x800706ba",
        0x8007_06ba,
        false,
        "The RPC server is unavailable.",
    ),
    (
        "0x80094002",
        0x8009_4002,
        false,
        "The request's current status does not allow this operation.",
    ),
];

/// The code with this name.
pub(super) fn named(name: &str) -> Option<&'static Code> {
    CODES.iter().find(|(known, ..)| *known == name)
}

/// As an INT32.
pub(super) fn signed(code: &Code) -> i32 {
    i32::from_be_bytes(code.1.to_be_bytes())
}

/// `Denied by Policy Module  0x80094800, The requested ..`: two blanks, as it is.
pub(super) fn denied(code: &Code) -> String {
    let (name, _, _, words) = code;
    format!("Denied by Policy Module  {name}, {words}")
}

/// The error with this name in the form in which it was asked.
pub(crate) fn error(world: &World, name: &str, request: &Request) -> Option<Answer> {
    let code = named(name)?;
    if super::ces_way(world, &request.path()).is_some() {
        Some(envelope::fault(code, None, ""))
    } else {
        Some(certsrv::failed(world, code))
    }
}
