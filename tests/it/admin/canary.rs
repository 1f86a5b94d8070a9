//! Secrets that were given to the server must not come out of it.

use api::{Method, ROUTES};
use scep::client::Content;

use crate::device::{Device, refused};
use crate::house::{CHALLENGE, House};

#[tokio::test(flavor = "multi_thread")]
async fn no_reply_holds_a_secret() {
    let server = House::new()
        .profile("corp", "")
        .with("[admin]\nmetrics_token = 'canary-metrics-token-77'\nbad_token_limit = 0")
        .start()
        .await;
    let token = server.token("ops", store::TokenRole::Admin).await;
    let admin = server.with_token(&token);
    let device = Device::of(&server, "corp").await;
    let certificate = device.enroll().await;
    let csr = device.csr(Some("canary-wrong-guess-31"));
    refused(device.post(&device.request(Content::PkcsReq(&csr))).await);

    let ca_key = std::fs::read_to_string(server.house.dir().join("ca.key")).unwrap();
    let key_line = ca_key.lines().nth(1).unwrap().to_owned();
    let digest = hex::encode(pki::sha256(token.as_bytes()));
    let secrets = [
        CHALLENGE,
        "canary-wrong-guess-31",
        "canary-metrics-token-77",
        &token,
        &key_line,
        &digest,
    ];

    let mut replies = Vec::new();
    for route in ROUTES {
        let path = route
            .path
            .replace("{id}", "x")
            .replace("{issuer_id}", "local")
            .replace("{serial}", &certificate.serial().to_hex());
        let path = if route.path.ends_with("/timeline") {
            format!("{path}?common_name=box-4")
        } else {
            path
        };
        replies.push(match route.method {
            Method::Get => admin.get(&path).await,
            Method::Post if route.path.ends_with("/session") => {
                admin
                    .post(&path, "{\"token\":\"canary-wrong-guess-31\"}")
                    .await
            }
            Method::Post => {
                admin
                    .post(
                        &path,
                        "{\"canary-wrong-guess-31\":\"canary-metrics-token-77\"}",
                    )
                    .await
            }
            Method::Delete => admin.delete(&path).await,
        });
    }
    let with_metrics_token = server.with_token("canary-metrics-token-77");
    replies.push(with_metrics_token.get("/metrics").await);
    replies.push(with_metrics_token.get("/api/v1/audit").await);
    for reply in replies {
        let headers = format!("{:?}", reply.headers);
        for secret in secrets {
            assert!(!reply.text.contains(secret), "{secret} in {}", reply.text);
            assert!(!headers.contains(secret), "{secret} in {headers}");
        }
    }
}
