//! The server: what it is asked, as whom, and what it says of itself.

use super::api::{Api, Fault, Reply};
use super::login::Session;
use super::role::Role;
use super::{Settings, again};
use crate::{chain, words};
use issuer::IssueError;
use outbound::Method;
use pki::{Certificate, Crl};
use serde_json::{Value, json};

pub(super) struct Server {
    pub(super) settings: Settings,
    pub(super) api: Api,
    pub(super) session: Session,
}

/// What the server says of itself.
pub(super) struct Seen {
    pub(super) chain: Vec<Certificate>,
    pub(super) role: Option<Role>,
}

impl Server {
    pub(super) fn mounted(&self, path: &str) -> String {
        format!("{}/{path}", self.settings.mount)
    }

    /// Where a role signs.
    pub(super) fn sign_path(&self, role: &str) -> String {
        match &self.settings.issuer_ref {
            Some(issuer) => self.mounted(&format!("issuer/{issuer}/sign/{role}")),
            None => self.mounted(&format!("sign/{role}")),
        }
    }

    /// A call with the token. One that is not taken is exchanged once.
    async fn as_us(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, Fault> {
        let token = self.session.token(&self.api).await?;
        let first = self
            .api
            .json(method.clone(), path, body, Some(&token))
            .await;
        if !matches!(first, Err(Fault::Forbidden(_))) {
            return first;
        }
        self.session.refused(&token).await;
        let token = self.session.token(&self.api).await?;
        self.api.json(method, path, body, Some(&token)).await
    }

    pub(super) async fn write(&self, path: &str, body: &Value) -> Result<Reply, Fault> {
        self.as_us(Method::POST, path, Some(body)).await
    }

    /// Health, login, role, chain.
    pub(super) async fn look(
        &self,
        known: Option<&Role>,
        above: &[Certificate],
    ) -> Result<Seen, IssueError> {
        self.api
            .health()
            .await
            .map_err(|fault| fault.later("asking how it is"))?;
        self.session
            .token(&self.api)
            .await
            .map_err(|fault| fault.later("logging in"))?;
        let role = match self.role().await {
            Ok(role) => role,
            // It may be read again another time.
            Err(IssueError::Again { .. }) if known.is_some() => known.cloned(),
            Err(error) => return Err(error),
        };
        let of_role = role.as_ref().map(|role| role.issuer_ref.as_str());
        let issuer = self.settings.issuer_ref.as_deref().or(of_role);
        let chain = self.chain(issuer.unwrap_or("default"), above).await?;
        Ok(Seen { chain, role })
    }

    /// `None` where the token may not read it.
    async fn role(&self) -> Result<Option<Role>, IssueError> {
        let path = self.mounted(&format!("roles/{}", self.settings.role));
        let mut reply = match self.as_us(Method::GET, &path, None).await {
            Ok(reply) => reply,
            Err(Fault::Forbidden(_)) => return Ok(None),
            Err(Fault::Missing(_)) => {
                return Err(again(&format!(
                    "there is no role {} at the mount {}; create it (`scepd issuer role` prints it), or correct `vault.role` and `vault.mount`",
                    words::quoted(&self.settings.role),
                    words::quoted(&self.settings.mount)
                )));
            }
            Err(fault) => return Err(fault.later("reading the role")),
        };
        // Lists that are empty may be null.
        if let Some(settings) = reply.data.as_object_mut() {
            settings.retain(|_, value| !value.is_null());
        }
        serde_json::from_value(reply.data)
            .map(Some)
            .map_err(|_| again("the role that it shows cannot be read"))
    }

    async fn chain(
        &self,
        issuer: &str,
        known_above: &[Certificate],
    ) -> Result<Vec<Certificate>, IssueError> {
        let path = self.mounted(&format!("issuer/{issuer}/json"));
        let reply = self.api.json(Method::GET, &path, None, None).await;
        let reply = reply.map_err(|fault| match fault {
            Fault::Missing(words) => again(&format!(
                "there is no PKI engine at the mount {}, or no issuer {} in it: {words}",
                words::quoted(&self.settings.mount),
                words::quoted(issuer)
            )),
            fault => fault.later("reading the CA certificate"),
        })?;
        let read = |pem: &Value| {
            pem.as_str()
                .and_then(|pem| Certificate::from_pem(pem.as_bytes()).ok())
        };
        let first = reply.data.get("certificate").and_then(read);
        let first = first.ok_or_else(|| again("it shows no CA certificate that can be read"))?;
        let above = reply.data.get("ca_chain").and_then(Value::as_array);
        let pool: Vec<Certificate> = above
            .into_iter()
            .flatten()
            .filter_map(read)
            .chain(known_above.iter().cloned())
            .collect();
        chain::ordered(first, &pool).map_err(|what| again(&what))
    }

    pub(super) async fn crl(&self, issuer: &str) -> Result<Option<Crl>, IssueError> {
        let path = self.mounted(&format!("issuer/{issuer}/crl/der"));
        let response = self.api.call(Method::GET, &path, None, None).await;
        let response = response.map_err(|fault| fault.later("reading the CRL"))?;
        if response.body().is_empty() {
            return Ok(None);
        }
        Crl::from_der_or_pem(response.body())
            .map(Some)
            .map_err(|error| again(&format!("its CRL cannot be read: {error}")))
    }

    pub(super) async fn revoke(&self, certificate: &Certificate) -> Result<(), IssueError> {
        // Plain hex is not found.
        let octets = certificate.serial().minimal();
        let serial: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        let body = json!({ "serial_number": serial.join(":") });
        let path = self.mounted("revoke");
        match self.write(&path, &body).await {
            Ok(_) => Ok(()),
            Err(Fault::Refused(words)) => Err(IssueError::Refused(words)),
            Err(fault) => Err(fault.later("revoking")),
        }
    }
}
