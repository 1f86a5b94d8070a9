//! The checks, in the order in which they run: quick ones first, what runs the server last.

mod admin_api;
mod circles;
pub(crate) mod fuzz;
mod interop;
mod layering;
mod lints;
mod page;
mod readme;
mod rust;

use crate::check::Suite;

/// Every check.
pub(crate) fn all() -> Vec<Suite> {
    let suite = |name, what, run| Suite { name, what, run };
    vec![
        suite("fmt", "rustfmt would change nothing", lints::fmt),
        suite(
            "layering",
            "arrows between crates, file lengths, links in the documents",
            layering::check,
        ),
        suite("deny", "licences, sources and banned crates", lints::deny),
        suite(
            "advisories",
            "no known flaw in a dependency",
            lints::advisories,
        ),
        suite(
            "page-advisories",
            "no known flaw in a dependency of the admin page",
            page::advisories,
        ),
        suite("page-build", "the admin page builds", page::build),
        suite("clippy", "no warning in any target", lints::clippy),
        suite("docs", "rustdoc builds without a warning", lints::docs),
        suite("rust", "unit and integration tests", rust::tests),
        suite("doctests", "examples in the documentation", rust::doctests),
        suite(
            "page",
            "types, lint and component tests of the admin page",
            page::checks,
        ),
        suite(
            "interop-openssl",
            "OpenSSL reads what the server sends",
            interop::openssl,
        ),
        suite(
            "interop-strongswan",
            "strongSwan pki enrolls, renews and polls",
            interop::strongswan,
        ),
        suite(
            "interop-certmonger",
            "certmonger enrolls, renews, rekeys and waits",
            interop::certmonger,
        ),
        suite(
            "interop-pyscep",
            "PyScep enrolls and queries",
            interop::pyscep,
        ),
        suite(
            "interop-scepclient",
            "scepclient's single DES is refused cleanly",
            interop::scepclient,
        ),
        suite(
            "issuer-openbao",
            "the real OpenBao issues to strongSwan, sealed, killed and back",
            interop::openbao,
        ),
        suite(
            "issuer-fakes",
            "clients that others wrote judge the fakes of CAs",
            interop::issuer_fakes,
        ),
        suite(
            "issuer-step-ca",
            "the real step-ca issues to strongSwan, its provisioner away and back",
            interop::step_ca,
        ),
        suite(
            "issuer-scepserver",
            "micromdm's scepserver issues to strongSwan",
            interop::scepserver,
        ),
        suite(
            "interop-ocsp",
            "OpenSSL, GnuTLS and pyca judge OCSP answers and the CRL",
            interop::ocsp,
        ),
        suite(
            "interop-freeradius",
            "FreeRADIUS with EAP-TLS lets devices in until they are revoked",
            interop::freeradius,
        ),
        suite(
            "admin-api",
            "schemathesis finds the admin API as openapi.yaml describes it",
            admin_api::check,
        ),
        suite(
            "browser",
            "the admin page in Chromium against the real server",
            page::browser,
        ),
        suite("fuzz", "a short run of every fuzz target", fuzz::run),
        suite(
            "readme",
            "the README's commands work as printed",
            readme::check,
        ),
    ]
}
