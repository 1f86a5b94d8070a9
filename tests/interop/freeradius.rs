//! FreeRADIUS 3.2 (Debian 12) with EAP-TLS, and eapol_test of wpa_supplicant as the device: what most fleets use their
//! certificates for. The RADIUS server asks the OCSP responder that the certificate names, with a nonce, and lets nobody in
//! without an answer.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::admin::Operator;
use crate::published::{self, Published};
use crate::tool;

const SECRET: &str = "testing123";

/// A RADIUS server; it ends with this value.
struct Radius {
    child: Child,
    port: u16,
}

impl Radius {
    fn start(dir: &Path, published: &Published) -> Radius {
        let free = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let server = &published.server;
        fs::copy(server.beside("tls.pem"), dir.join("server.pem")).unwrap();
        fs::copy(server.beside("tls.key"), dir.join("server.key")).unwrap();
        fs::copy(server.ca(), dir.join("ca.pem")).unwrap();
        let config = CONFIG
            .replace("DIR", dir.to_str().unwrap())
            .replace("PORT", &port.to_string())
            .replace("SECRET", SECRET);
        fs::write(dir.join("radiusd.conf"), config).unwrap();
        let mut child = Command::new("freeradius")
            .arg("-d")
            .arg(dir)
            .args(["-f", "-l", "stdout"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("freeradius starts");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = String::new();
        let ready = lines.by_ref().map_while(Result::ok).any(|line| {
            said.push_str(&line);
            said.push('\n');
            line.contains("Ready to process requests")
        });
        assert!(ready, "FreeRADIUS ended instead of getting ready:\n{said}");
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Radius { child, port }
    }

    /// Whether the device in this directory is let in.
    fn admits(&self, dir: &Path) -> bool {
        let path = |name: &str| dir.join(name).display().to_string();
        let network = format!(
            "network={{\n key_mgmt=WPA-EAP\n eap=TLS\n identity=\"laptop\"\n ca_cert=\"{}\"\n \
             client_cert=\"{}\"\n private_key=\"{}\"\n}}\n",
            path("ca.pem"),
            path("cert.pem"),
            path("key.pem")
        );
        fs::write(dir.join("eapol.conf"), network).unwrap();
        let port = self.port.to_string();
        let said = tool::run(
            dir,
            "eapol_test",
            &[
                "-c",
                "eapol.conf",
                "-a",
                "127.0.0.1",
                "-p",
                &port,
                "-s",
                SECRET,
                "-t",
                "20",
            ],
        );
        let last = said.all.lines().last().unwrap_or_default();
        assert!(
            (said.ok && last == "SUCCESS") || (!said.ok && last == "FAILURE"),
            "eapol_test came to no end:\n{}",
            said.all
        );
        // A server that cannot ask says so; a refusal has to be one.
        assert!(!said.all.contains("timed out"), "{}", said.all);
        said.ok
    }
}

impl Drop for Radius {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs FreeRADIUS and eapol_test"]
fn a_device_is_let_in_until_it_is_revoked() {
    let published = published::start();
    let operator = Operator::of(&published.server);
    let (kept, lost) = (published.device("kept"), published.device("lost"));
    let radius = Radius::start(&published.server.scratch("radius"), &published);
    assert!(radius.admits(&kept) && radius.admits(&lost));
    operator.change_status(&published.serial(&lost), "revoke", "certificate_hold");
    assert!(!radius.admits(&lost) && radius.admits(&kept));
    operator.change_status(&published.serial(&lost), "release", "");
    assert!(radius.admits(&lost));
    operator.change_status(&published.serial(&lost), "revoke", "key_compromise");
    assert!(!radius.admits(&lost) && radius.admits(&kept));
}

const CONFIG: &str = r#"
name = radiusd
prefix = /usr
raddbdir = DIR
logdir = DIR
run_dir = DIR
libdir = /usr/lib/freeradius
pidfile = DIR/radiusd.pid
max_request_time = 30
cleanup_delay = 2
max_requests = 1024
hostname_lookups = no
log {
    destination = stdout
    auth = yes
}
security {
    allow_core_dumps = no
    max_attributes = 200
    reject_delay = 0
    status_server = no
}
thread pool {
    start_servers = 1
    max_servers = 2
    min_spare_servers = 1
    max_spare_servers = 2
    max_requests_per_server = 0
}
client local {
    ipaddr = 127.0.0.1
    secret = SECRET
    require_message_authenticator = yes
}
modules {
    eap {
        default_eap_type = tls
        timer_expire = 60
        ignore_unknown_eap_types = no
        tls-config tls-common {
            private_key_file = DIR/server.key
            certificate_file = DIR/server.pem
            ca_file = DIR/ca.pem
            cipher_list = "DEFAULT"
            tls_min_version = "1.2"
            tls_max_version = "1.2"
            cache {
                enable = no
            }
            ocsp {
                enable = yes
                override_cert_url = no
                use_nonce = yes
                timeout = 5
                softfail = no
            }
        }
        tls {
            tls = tls-common
        }
    }
}
server default {
    listen {
        type = auth
        ipaddr = 127.0.0.1
        port = PORT
    }
    authorize {
        eap
    }
    authenticate {
        eap
    }
}
"#;
