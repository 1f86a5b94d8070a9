//! The program: what it prints is what it does.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// A running fake; it ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn it_says_where_everything_is_and_puts_the_files_there() {
    let dir = tempfile::tempdir().unwrap();
    for kind in ["ejbca", "adcs", "aws-pca", "google-cas"] {
        let folder = dir.path().join(kind);
        let child = Command::new(env!("CARGO_BIN_EXE_issuer-fakes"))
            .args([kind, "--dir"])
            .arg(&folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut child = Running(child);
        let lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
        let mut told = Vec::new();
        for line in lines {
            told.push(line.unwrap());
            if told.last().unwrap().contains("anotherKey") {
                break;
            }
        }
        let told = told.join("\n");
        assert!(
            told.starts_with(&format!("A fake of {kind} is running")),
            "{told}"
        );
        assert!(told.contains(&format!("type = \"{kind}\"")), "{told}");
        let url = told
            .lines()
            .find_map(|line| line.trim().strip_prefix("service"))
            .unwrap()
            .trim();
        let trust = std::fs::read(folder.join("trust.pem")).unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([reqwest::Certificate::from_pem(&trust).unwrap()])
            .build()
            .unwrap();
        let answer = client.get(format!("{url}/__control")).send().await.unwrap();
        let answer = answer.text().await.unwrap();
        assert!(answer.contains(&format!("\"kind\":\"{kind}\"")), "{answer}");
        for word in told
            .split(|mark: char| mark == '"' || mark.is_whitespace())
            .filter(|word| word.starts_with(folder.to_str().unwrap()))
        {
            assert!(std::path::Path::new(word).exists(), "{word}");
        }
    }
}

#[test]
fn it_refuses_a_kind_that_is_none() {
    let output = Command::new(env!("CARGO_BIN_EXE_issuer-fakes"))
        .arg("thawte")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && said.contains("there is no kind thawte"),
        "{said}"
    );
}
