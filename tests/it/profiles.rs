//! Profiles come and go while requests are under way.

use scep::client::Content;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::device::{Device, issued, refused};
use crate::fleet::{Load, Patience, always, device_key};
use crate::intune;
use crate::test_env::{CHALLENGE, Running, TestEnv};

/// A request of which the server has taken the head and waits for the body.
pub(crate) struct Begun {
    stream: BufReader<TcpStream>,
    message: Vec<u8>,
}

impl Begun {
    /// Sends the head with `Expect: 100-continue`, and reads that the server goes on with it: now the profile has been
    /// found, and the request is in flight.
    pub(crate) async fn new(server: &Running, path_id: &str, message: &[u8]) -> Begun {
        let address = server.server.addresses().http.unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let mut stream = BufReader::new(stream);
        let head = format!(
            "POST /scep/{path_id}?operation=PKIOperation HTTP/1.1\r\nHost: localhost\r\n\
             Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
            message.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        assert!(head_of(&mut stream).await.starts_with("HTTP/1.1 100"));
        Begun {
            stream,
            message: message.to_vec(),
        }
    }

    /// Sends the body; status line with headers, and the reply's body.
    pub(crate) async fn finish(mut self) -> (String, Vec<u8>) {
        self.stream.write_all(&self.message).await.unwrap();
        let head = head_of(&mut self.stream).await;
        let length = head
            .to_ascii_lowercase()
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
            .unwrap();
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.unwrap();
        (head, body)
    }
}

async fn head_of(stream: &mut BufReader<TcpStream>) -> String {
    let mut head = String::new();
    loop {
        let read = stream.read_line(&mut head).await.unwrap();
        assert_ne!(read, 0, "the connection ended within a head: {head:?}");
        if head.ends_with("\r\n\r\n") {
            return head;
        }
    }
}

fn status_of_caps(server: &Running, path_id: &str) -> impl Future<Output = u16> + use<> {
    let url = format!("{}?operation=GetCACaps", server.http(path_id));
    let asked = server.client().get(url).send();
    async move { asked.await.unwrap().status().as_u16() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_profile_finishes_what_it_began_and_an_added_one_works_at_once() {
    let mut server = TestEnv::new()
        .profile("stays", "")
        .profile("goes", "")
        .start()
        .await;
    let device = Device::at(server.http("goes"), server.client(), device_key()).await;
    let mut started = Vec::new();
    let mut requests = Vec::new();
    for _ in 0..4 {
        let csr = device.csr(Some(CHALLENGE));
        let request = device.request(Content::PkcsReq(&csr));
        started.push(Begun::new(&server, "goes", request.message()).await);
        requests.push(request);
    }
    let neighbour = Device::at(server.http("stays"), server.client(), device_key()).await;
    let load = Load::start(vec![(neighbour, false)], &always(CHALLENGE), Patience::None);
    load.more(1).await;

    let mut gone = None;
    server.env.edit(|config| {
        let profiles = config["profile"].as_array_mut().unwrap();
        gone = Some(profiles.remove(1));
        let mut new = gone.clone().unwrap();
        new["path_id"] = "comes".into();
        profiles.push(new);
    });
    let reloaded = server.server.reload("test").await.unwrap();
    assert_eq!(reloaded.profiles.removed, ["goes"]);
    assert_eq!(reloaded.profiles.added, ["comes"]);
    assert_eq!(status_of_caps(&server, "goes").await, 404);

    let added = Device::at(server.http("comes"), server.client(), device_key()).await;
    added.enroll().await;

    let mut certificates = Vec::new();
    for (started, request) in started.into_iter().zip(&requests) {
        let (head, body) = started.finish().await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let reply = request.open_reply(&body, &device.ca.reply_signers());
        certificates.push(issued(reply.unwrap()));
    }

    // Back again, it knows what it did.
    server.env.edit(|config| {
        let profiles = config["profile"].as_array_mut().unwrap();
        profiles.push(gone.unwrap());
    });
    server.server.reload("test").await.unwrap();
    for (request, certificate) in requests.iter().zip(certificates) {
        let again = issued(device.post(request).await);
        assert_eq!(again.der(), certificate.der());
    }
    load.more(1).await;
    load.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_comes_back_takes_over_from_the_one_that_still_had_requests() {
    let env = TestEnv::new();
    let connector = intune::connector("connector");
    env.file("anchors.pem", connector.certificate.to_pem().as_bytes());
    let settings = intune::settings(env.dir());
    let mut server = env
        .profile("corp", &settings)
        .profile("stays", "")
        .start()
        .await;
    let device = Device::at(server.http("corp"), server.client(), device_key()).await;
    let challenge = intune::challenge_by(&connector);
    let ask = || device.request(Content::PkcsReq(&device.csr(Some(&challenge))));
    let request = ask();
    let started = Begun::new(&server, "corp", request.message()).await;

    let mut gone = None;
    server.env.edit(|config| {
        let profiles = config["profile"].as_array_mut().unwrap();
        gone = Some(profiles.remove(0));
    });
    server.server.reload("test").await.unwrap();
    server.env.edit(|config| {
        let profiles = config["profile"].as_array_mut().unwrap();
        profiles.push(gone.unwrap());
    });
    server.server.reload("test").await.unwrap();

    // The new actor's replay memory is the one that counts: the old one must not issue on the same challenge.
    issued(device.post(&ask()).await);
    let (head, _) = started.finish().await;
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    let (_, text) = refused(device.post(&request).await);
    assert!(text.contains("replay"), "{text}");
}
