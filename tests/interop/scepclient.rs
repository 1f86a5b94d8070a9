//! micromdm scepclient 2.1 (Debian 12's `scep`): single DES and SHA-1, whatever the server offers.

use crate::server::{Added, CHALLENGE, Server};
use crate::tool;

#[test]
#[ignore = "needs micromdm scepclient"]
fn single_des_is_refused_in_a_reply_it_can_read() {
    let server = Server::start(&[Added {
        path_id: "old",
        settings: "crypto = 'compatible'",
    }]);
    let challenge = server.challenge("corp");
    for (path_id, challenge) in [("corp", challenge.as_str()), ("old", CHALLENGE)] {
        let dir = server.scratch(path_id);
        let url = server.http(path_id);
        let said = tool::run(
            &dir,
            "scepclient",
            &[
                "-server-url",
                &url,
                "-challenge",
                challenge,
                "-cn",
                "old-1",
                "-private-key",
                "key.pem",
                "-certificate",
                "cert.pem",
            ],
        );
        assert!(!said.ok, "{path_id}: {}", said.all);
        assert!(
            said.all.contains("badAlg"),
            "{path_id}: it read the reply: {}",
            said.all
        );
        assert!(!dir.join("cert.pem").exists(), "{path_id}");
    }
}
