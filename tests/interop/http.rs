//! Plain requests, for tests that look at the octets of a reply.

use std::sync::LazyLock;

use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// A reply: status, content type as sent, body.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

/// A client that trusts these certificates only.
pub(crate) fn client(trusted: Vec<reqwest::Certificate>) -> reqwest::Client {
    // The tests of a binary may share the process, so another one may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .tls_certs_only(trusted)
        .build()
        .expect("a client")
}

/// Sends a request and reads the whole reply.
pub(crate) fn send(request: reqwest::RequestBuilder) -> Reply {
    RUNTIME.block_on(async {
        let reply = request.send().await.expect("the server answers");
        let content_type = reply
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok());
        Reply {
            status: reply.status().as_u16(),
            content_type: content_type.unwrap_or_default().to_owned(),
            body: reply.bytes().await.expect("a body").to_vec(),
        }
    })
}

/// GET.
pub(crate) fn get(url: &str) -> Reply {
    send(client(Vec::new()).get(url))
}

/// POST of a PKIMessage.
pub(crate) fn post(url: &str, message: &[u8]) -> Reply {
    let request = client(Vec::new())
        .post(format!("{url}?operation=PKIOperation"))
        .body(message.to_vec());
    send(request.header("content-type", "application/x-pki-message"))
}
