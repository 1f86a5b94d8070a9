//! Clients that hold connections without using them, and those they must not keep out.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::test_env::{Running, TestEnv};

/// Far below the defaults of the limits that are not under test.
const SOON: Duration = Duration::from_secs(8);

const CAPS: &[u8] = b"GET /scep/corp?operation=GetCACaps HTTP/1.1\r\nHost: x\r\n\r\n";

async fn server(settings: &str) -> Running {
    let settings = format!("[server]\n{settings}");
    TestEnv::new()
        .with(&settings)
        .profile("corp", "")
        .start()
        .await
}

fn plain(server: &Running) -> SocketAddr {
    server.server.addresses().http.unwrap()
}

/// Waits until the server has closed, in whatever way.
async fn closed(stream: &mut TcpStream) {
    let mut octets = Vec::new();
    let ended = timeout(SOON, stream.read_to_end(&mut octets)).await;
    ended.expect("the connection is still open").ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_end_is_cut_off_and_an_idle_connection_is_not() {
    let server = server("header_timeout = '1s'").await;
    let mut idle = TcpStream::connect(plain(&server)).await.unwrap();
    let mut slow = TcpStream::connect(plain(&server)).await.unwrap();
    slow.write_all(b"GET /scep/corp?operation=GetCACaps HTTP/1.1\r\nHost: x\r\nX-")
        .await
        .unwrap();
    closed(&mut slow).await;
    // It has been idle for longer than a head may take.
    idle.write_all(CAPS).await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
}

#[tokio::test(flavor = "multi_thread")]
async fn how_long_a_connection_may_idle_follows_a_reload() {
    let mut server = server("idle_timeout = '1h'").await;
    server.env.edit(|config| {
        let section = config["server"].as_table_mut().unwrap();
        section.insert("idle_timeout".to_owned(), "1s".into());
    });
    server.env.write_config();
    server.server.reload("test").await.unwrap();
    let mut idle = TcpStream::connect(plain(&server)).await.unwrap();
    closed(&mut idle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_no_replies_is_cut_off() {
    let server = server("request_timeout = '1s'").await;
    let mut greedy = TcpStream::connect(plain(&server)).await.unwrap();
    let asks = CAPS.repeat(1000);
    // Ends with an error when the server has closed; before that, whatever the buffers between hold is sent.
    let sending = async { while greedy.write_all(&asks).await.is_ok() {} };
    timeout(3 * SOON, sending)
        .await
        .expect("the server still holds the connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_only_wait_make_room_on_every_listener() {
    const PLACES: usize = 4;
    let server = server(&format!("max_connections = {PLACES}")).await;
    let mut waiting = Vec::new();
    for number in 0..PLACES {
        let mut stream = TcpStream::connect(plain(&server)).await.unwrap();
        if number % 2 == 0 {
            stream.write_all(CAPS).await.unwrap();
            stream.read_exact(&mut [0; 12]).await.unwrap();
        } else {
            stream.write_all(b"GET /scep").await.unwrap();
        }
        waiting.push(stream);
    }
    let url = server.https("/scep/corp?operation=GetCACaps");
    let reply = timeout(SOON, server.client().get(url).send()).await;
    assert_eq!(reply.expect("kept out").unwrap().status(), 200);
    for stream in &mut waiting {
        closed(stream).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_do_not_come_make_room() {
    const PLACES: usize = 4;
    let server = server(&format!("max_connections = {PLACES}\nbody_timeout = '10m'")).await;
    let head = b"POST /scep/corp?operation=PKIOperation HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n0";
    let mut slow = Vec::new();
    for _ in 0..PLACES {
        let mut stream = TcpStream::connect(plain(&server)).await.unwrap();
        stream.write_all(head).await.unwrap();
        slow.push(stream);
    }
    for _ in 0..PLACES {
        let mut stream = TcpStream::connect(plain(&server)).await.unwrap();
        stream.write_all(CAPS).await.unwrap();
        let mut first = [0; 12];
        let answered = timeout(SOON, stream.read_exact(&mut first)).await;
        answered.expect("kept out").unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
    }
    for stream in &mut slow {
        closed(stream).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_source_has_a_quarter_of_the_connections_and_a_proxy_has_all() {
    const ALL: usize = 260;
    for (proxies, share) in [("", 65), ("trusted_proxies = ['127.0.0.1']", 70)] {
        let server = server(&format!("max_connections = {ALL}\n{proxies}")).await;
        let mut held = Vec::new();
        // All of them are answered, so they were let in.
        for _ in 0..share {
            let mut stream = TcpStream::connect(plain(&server)).await.unwrap();
            stream.write_all(CAPS).await.unwrap();
            stream.read_exact(&mut [0; 12]).await.unwrap();
            held.push(stream);
        }
        if proxies.is_empty() {
            let mut one_more = TcpStream::connect(plain(&server)).await.unwrap();
            closed(&mut one_more).await;
            held.pop();
            let url = server.https("/healthz");
            let mut answered = server.client().get(&url).send().await;
            // The place is free as soon as the server has seen that its client is gone.
            while answered.is_err() {
                answered = server.client().get(&url).send().await;
            }
            assert_eq!(answered.unwrap().status(), 200, "over all listeners");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_side_is_reached_while_devices_have_all_other_places() {
    const ALL: usize = 32;
    let server = server(&format!(
        "max_connections = {ALL}\nmax_connections_per_source = 0\nbody_timeout = '10m'"
    ))
    .await;
    let head = b"POST /scep/corp?operation=PKIOperation HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n";
    let mut busy = Vec::new();
    for _ in 0..ALL - ALL / 16 {
        let mut stream = TcpStream::connect(plain(&server)).await.unwrap();
        // It is answered, so it has a place.
        stream.write_all(CAPS).await.unwrap();
        stream.read_exact(&mut [0; 12]).await.unwrap();
        // Quick enough for the next half minute: it is not asked to make room.
        stream.write_all(head).await.unwrap();
        stream.write_all(&[0x30; 150_000]).await.unwrap();
        busy.push(stream);
    }
    let health = server.client().get(server.https("/healthz")).send();
    let health = timeout(SOON, health).await.expect("kept out").unwrap();
    assert_eq!(health.status(), 200);
    drop(busy);
}
