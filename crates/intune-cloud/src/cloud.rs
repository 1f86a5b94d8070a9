//! Microsoft's clouds, and where their services are.

use outbound::Url;

/// One of Microsoft's clouds. Tokens of one are worth nothing in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cloud {
    /// The world-wide cloud, GCC included.
    #[default]
    Global,
    /// US Government, GCC High.
    GccHigh,
    /// US Government, Department of Defense.
    Dod,
    /// China, run by 21Vianet.
    China,
}

/// The addresses that a cloud presets, as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Where tokens come from.
    pub authority: &'static str,
    /// Microsoft Graph.
    pub graph: &'static str,
    /// The resource that a token for Intune is asked for; unknown for China.
    pub resource: Option<&'static str>,
    /// The domain that Intune's services lie in.
    pub hosts: &'static str,
}

impl Cloud {
    /// What the cloud presets.
    #[must_use]
    pub const fn preset(self) -> Preset {
        match self {
            Self::Global => Preset {
                authority: "https://login.microsoftonline.com",
                graph: "https://graph.microsoft.com",
                resource: Some("https://api.manage.microsoft.com/"),
                hosts: "*.manage.microsoft.com",
            },
            Self::GccHigh => Preset {
                authority: "https://login.microsoftonline.us",
                graph: "https://graph.microsoft.us",
                resource: Some("https://api.manage.microsoft.us/"),
                hosts: "*.manage.microsoft.us",
            },
            Self::Dod => Preset {
                authority: "https://login.microsoftonline.us",
                graph: "https://dod-graph.microsoft.us",
                resource: Some("https://api.manage.microsoft.us/"),
                hosts: "*.manage.microsoft.us",
            },
            Self::China => Preset {
                authority: "https://login.partner.microsoftonline.cn",
                graph: "https://microsoftgraph.chinacloudapi.cn",
                resource: None,
                hosts: "*.manage.microsoftonline.cn",
            },
        }
    }

    /// Its name in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::GccHigh => "gcc-high",
            Self::Dod => "dod",
            Self::China => "china",
        }
    }
}

/// Where one tenant's services are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Where tokens come from, without the tenant.
    pub authority: Url,
    /// Microsoft Graph, without a version.
    pub graph: Url,
    /// The resource that a token for Graph is asked for.
    pub graph_resource: String,
    /// The resource that a token for Intune is asked for.
    pub resource: String,
    /// Where Intune's services are listed; `None` = at Graph.
    pub discovery: Option<Url>,
    /// Hosts that a listed service may be on: a name, or `*.` and a domain.
    pub hosts: Vec<String>,
}

/// Why the addresses of a tenant cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Nothing is known about it.
    #[error(
        "the resource of Intune's API in the cloud `china` is not published; set `intune_resource` to what Microsoft's support names"
    )]
    UnknownResource,
    /// Not an address that may be called.
    #[error("`{what}`: {why}")]
    Address {
        /// The setting.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
}

/// Addresses that an operator sets instead of the preset ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Instead of the cloud's authority.
    pub authority: Option<String>,
    /// Instead of the cloud's Graph.
    pub graph: Option<String>,
    /// Instead of the Graph address as the resource of its tokens.
    pub graph_resource: Option<String>,
    /// Instead of the cloud's resource.
    pub resource: Option<String>,
    /// Where Intune's services are listed.
    pub discovery: Option<String>,
    /// Hosts of services instead of the cloud's domain; empty = the cloud's.
    pub hosts: Vec<String>,
}

impl Places {
    /// The cloud's addresses with an operator's own in their place.
    ///
    /// # Errors
    /// [`PlaceError`]: an address that is neither https nor http to this machine, or a resource nobody knows.
    pub fn new(cloud: Cloud, own: &Overrides) -> Result<Self, PlaceError> {
        let preset = cloud.preset();
        let authority = address(
            "authority_url",
            own.authority.as_deref().unwrap_or(preset.authority),
        )?;
        let graph_text = own.graph.as_deref().unwrap_or(preset.graph);
        let graph = address("graph_url", graph_text)?;
        let discovery = own
            .discovery
            .as_deref()
            .map(|text| address("discovery_url", text))
            .transpose()?;
        let resource = own
            .resource
            .as_deref()
            .or(preset.resource)
            .ok_or(PlaceError::UnknownResource)?;
        let graph_resource = own.graph_resource.as_deref().unwrap_or(graph_text);
        let hosts = match own.hosts.is_empty() {
            true => vec![preset.hosts.to_owned()],
            false => own.hosts.clone(),
        };
        Ok(Self {
            authority,
            graph,
            graph_resource: graph_resource.trim_end_matches('/').to_owned(),
            resource: resource.to_owned(),
            discovery,
            hosts,
        })
    }

    /// The scope that asks for Graph.
    #[must_use]
    pub fn graph_scope(&self) -> String {
        format!("{}/.default", self.graph_resource)
    }

    /// The scope that asks for Intune. The resource ends with a slash that belongs to it, so that there are two.
    #[must_use]
    pub fn intune_scope(&self) -> String {
        format!("{}/.default", self.resource)
    }

    /// Whether a service may be called at this address. A list that somebody forged must not send challenges elsewhere.
    #[must_use]
    pub fn may_call(&self, service: &Url) -> bool {
        let Some(host) = service.host_str() else {
            return false;
        };
        if !service.username().is_empty() || service.password().is_some() {
            return false;
        }
        // A stand-in on this machine names services on this machine.
        if is_loopback(&self.graph) && is_loopback(service) {
            return true;
        }
        service.scheme() == "https" && self.hosts.iter().any(|allowed| matches(allowed, host))
    }
}

fn address(what: &'static str, text: &str) -> Result<Url, PlaceError> {
    outbound::endpoint(text.trim_end_matches('/')).map_err(|error| PlaceError::Address {
        what,
        why: error.to_string(),
    })
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn matches(allowed: &str, host: &str) -> bool {
    match allowed.strip_prefix("*.") {
        Some(domain) => host
            .to_ascii_lowercase()
            .strip_suffix(&domain.to_ascii_lowercase())
            .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        None => allowed.eq_ignore_ascii_case(host),
    }
}

/// An address below another one.
pub(crate) fn below(base: &Url, path: &str) -> Result<Url, String> {
    let text = format!("{}{path}", base.as_str().trim_end_matches('/'));
    Url::parse(&text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn every_cloud_has_its_addresses() {
        for (cloud, authority, scope) in [
            (
                Cloud::Global,
                "login.microsoftonline.com",
                "https://api.manage.microsoft.com//.default",
            ),
            (
                Cloud::GccHigh,
                "login.microsoftonline.us",
                "https://api.manage.microsoft.us//.default",
            ),
            (
                Cloud::Dod,
                "login.microsoftonline.us",
                "https://api.manage.microsoft.us//.default",
            ),
        ] {
            let places = Places::new(cloud, &Overrides::default()).unwrap();
            assert_eq!(places.authority.host_str(), Some(authority));
            assert_eq!(places.intune_scope(), scope);
        }
        let places = Places::new(Cloud::Dod, &Overrides::default()).unwrap();
        assert_eq!(
            places.graph_scope(),
            "https://dod-graph.microsoft.us/.default"
        );
        assert_eq!(
            Places::new(Cloud::China, &Overrides::default()),
            Err(PlaceError::UnknownResource)
        );
        let own = Overrides {
            resource: Some("https://example.cn/".to_owned()),
            ..Overrides::default()
        };
        let places = Places::new(Cloud::China, &own).unwrap();
        assert!(places.may_call(&url("https://fef.cnpasu01.manage.microsoftonline.cn/a")));
    }

    #[test]
    fn a_service_is_called_in_its_own_domain_alone() {
        let places = Places::new(Cloud::Global, &Overrides::default()).unwrap();
        assert!(places.may_call(&url("https://fef.msuc02.manage.microsoft.com/RACerts/x")));
        for other in [
            "http://fef.msuc02.manage.microsoft.com/x",
            "https://manage.microsoft.com.example.org/x",
            "https://evilmanage.microsoft.com/x",
            "https://.manage.microsoft.com/x",
            "https://user@fef.manage.microsoft.com/x",
            "https://127.0.0.1/x",
            "http://localhost/x",
        ] {
            if let Ok(other) = Url::parse(other) {
                assert!(!places.may_call(&other), "{other}");
            }
        }
    }

    #[test]
    fn a_stand_in_on_this_machine_names_services_on_this_machine() {
        let own = Overrides {
            graph: Some("http://127.0.0.1:8080/".to_owned()),
            ..Overrides::default()
        };
        let places = Places::new(Cloud::Global, &own).unwrap();
        assert!(places.may_call(&url("http://127.0.0.1:9000/x")));
        assert!(places.may_call(&url("http://localhost:9000/x")));
        assert!(!places.may_call(&url("http://192.0.2.1:9000/x")));
        assert_eq!(places.graph_scope(), "http://127.0.0.1:8080/.default");
        let own = Overrides {
            graph: Some("http://192.0.2.1/".to_owned()),
            ..Overrides::default()
        };
        assert!(matches!(
            Places::new(Cloud::Global, &own),
            Err(PlaceError::Address {
                what: "graph_url",
                ..
            })
        ));
    }

    #[test]
    fn own_hosts_take_the_place_of_the_clouds() {
        let own = Overrides {
            hosts: vec!["intune.example.org".to_owned()],
            ..Overrides::default()
        };
        let places = Places::new(Cloud::Global, &own).unwrap();
        assert!(places.may_call(&url("https://INTUNE.example.org/x")));
        assert!(!places.may_call(&url("https://a.manage.microsoft.com/x")));
    }
}
