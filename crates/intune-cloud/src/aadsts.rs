//! What Entra ID's error codes mean to an operator (Microsoft identity platform, "Authentication and authorization
//! error codes"). The text of an answer is shown and never read.

/// A code, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// What is wrong.
    pub(crate) words: &'static str,
    /// Where it is mended; `None` = it passes by itself.
    pub(crate) advice: Option<&'static str>,
}

const fn mend(words: &'static str, advice: &'static str) -> Option<Meaning> {
    Some(Meaning {
        words,
        advice: Some(advice),
    })
}

const fn passes(words: &'static str) -> Option<Meaning> {
    Some(Meaning {
        words,
        advice: None,
    })
}

/// What a code means; `None` = not known here.
pub(crate) const fn meaning(code: u64) -> Option<Meaning> {
    match code {
        7_000_215 => mend(
            "the client secret is wrong",
            "Entra admin center, App registrations, Certificates & secrets: use the secret's Value, not its Secret ID",
        ),
        7_000_222 => mend(
            "the client secret has expired",
            "Entra admin center, App registrations, Certificates & secrets: make a new one and put it into the configuration",
        ),
        700_016 => mend(
            "there is no such app in this tenant",
            "look at `tenant` and `client_id`; a multi-tenant app has to be consented to in this tenant",
        ),
        7_000_112 => mend(
            "the app is disabled",
            "Entra admin center, Enterprise applications, Properties: enable it for sign-in",
        ),
        700_027 | 50_012 => mend(
            "the certificate or the signature of the assertion is not accepted",
            "Entra admin center, App registrations, Certificates & secrets, Certificates: upload the certificate of `client_cert_path`",
        ),
        700_024 => mend(
            "the assertion is outside its time",
            "look at this machine's clock",
        ),
        700_211..=700_229 => mend(
            "the federated credential does not match the token",
            "Entra admin center, App registrations, Certificates & secrets, Federated credentials: compare issuer, subject and audience",
        ),
        7_000_218 => mend(
            "no credential was sent",
            "set one of the tenant's credentials",
        ),
        500_011 => mend(
            "the resource is not known in this tenant",
            "set up Intune in the tenant, or look at `intune_resource` and `cloud`",
        ),
        90_002 => mend("the tenant is not known", "look at `tenant` and `cloud`"),
        90_038 | 900_382 | 900_432 => {
            mend("the tenant is in another national cloud", "look at `cloud`")
        }
        70_011 | 700_022 | 700_023 | 28_002 => mend(
            "the scope is not accepted",
            "look at `intune_resource` and `graph_resource`",
        ),
        50_002 | 500_021 => mend(
            "a proxy restricts which tenants may be reached",
            "let the proxy pass this tenant",
        ),
        53_003 | 530_032 => mend(
            "Conditional Access for workload identities forbids it",
            "Entra admin center, Conditional Access: except this app, or allow this server's address",
        ),
        90_055 => passes("the tenant sends too many requests"),
        90_006 | 90_012 | 90_024 | 90_033 | 90_090 => passes("Entra ID is busy for the moment"),
        _ => None,
    }
}
