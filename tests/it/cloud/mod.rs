//! Intune's cloud validation from end to end: the real server and real PKIMessages against a fake of Microsoft's services
//! that was written without a look at the client.
//!
//! | module | holds |
//! |---|---|
//! | `answers` | each of Intune's codes, and each way in which a call can go wrong |
//! | `canaries` | what must not be written anywhere, whatever goes wrong |
//! | `copies` | many devices and many copies at once |
//! | `credentials` | each kind of credential, each cloud, the proxy |
//! | `killed` | the real binary, killed in every stage |
//! | `sweep` | devices and users that go away after their certificate was issued |
//! | `terms` | what Graph's answer means for the certificate |
//! | `tenants` | the admin API: how tenants fare, and revocations that are held |

mod answers;
mod canaries;
mod copies;
mod credentials;
mod killed;
mod sweep;
mod tenants;
mod terms;

use std::sync::Arc;

use actors::Clock;
use chrono::Duration;
use intune_fake::{Fake, Mint, Operation, Options, Transaction};
use pki::{Certificate, Csr, Name, SubjectAltNames};
use scep::client::{Content, Reply, Request};

use crate::clock::TestClock;
use crate::device::Device;
use crate::fleet::device_key;
use crate::test_env::{Running, TestEnv};

/// `[profile.intune_cloud]` of tests.
const PROFILE: &str = "[intune_cloud]\ntenants = ['contoso']\nper_device_rate_limit_24h = 0\n";

/// A tenant's fake, a server that asks it, and a device.
struct Cloud {
    fake: Fake,
    server: Running,
    device: Device,
}

/// A fake that has a env's time.
async fn fake_of(clock: &Arc<TestClock>) -> Fake {
    Fake::start(options_of(clock)).await.unwrap()
}

fn options_of(clock: &Arc<TestClock>) -> Options {
    let clock = Arc::clone(clock);
    Options::new(intune_fake::Clock::new(move || clock.now().timestamp()))
}

/// `[[tenant]]` of the fake's first tenant, with the secret.
fn tenant(fake: &Fake) -> String {
    tenant_with(fake, "client_secret = 'contoso-secret'")
}

/// The same with these settings in the place of the secret.
fn tenant_with(fake: &Fake, credential: &str) -> String {
    section("contoso", fake, &fake.tenants()[0], credential)
}

/// `[[tenant]]` of one of the fake's tenants, under this id.
fn section(id: &str, fake: &Fake, tenant: &intune_fake::Tenant, credential: &str) -> String {
    let urls = fake.urls();
    format!(
        "[[tenant]]\nid = '{id}'\ntenant = '{}'\nclient_id = '{}'\n{credential}\n\
         authority_url = '{}'\ngraph_url = '{}'\nallowed_hosts = ['127.0.0.1']\n",
        tenant.id, tenant.client_id, urls.entra, urls.graph
    )
}

impl Cloud {
    async fn open() -> Cloud {
        Cloud::with("").await
    }

    /// With further settings of the profile.
    async fn with(settings: &str) -> Cloud {
        let env = TestEnv::new();
        let fake = fake_of(&env.clock).await;
        let tenant = tenant(&fake);
        Cloud::of(env.with(&tenant), fake, settings).await
    }

    async fn of(env: TestEnv, fake: Fake, settings: &str) -> Cloud {
        let server = env
            .profile("corp", &format!("{settings}\n{PROFILE}"))
            .start()
            .await;
        let device = Device::at(server.http("corp"), server.client(), device_key()).await;
        Cloud {
            fake,
            server,
            device,
        }
    }

    /// A request with a fresh challenge of about 6 kB.
    fn request(&self) -> Request {
        self.request_for(Mint::default())
    }

    fn request_for(&self, wanted: Mint) -> Request {
        request(&self.device, &self.fake.mint(wanted).unwrap())
    }

    /// The same message again and again until it has an end; time passes meanwhile.
    async fn end(&self, request: &Request) -> Reply {
        for _ in 0..60 {
            match self.device.post(request).await {
                Reply::Pending => self.pass(61),
                reply => return reply,
            }
        }
        panic!("the request has no end");
    }

    /// Lets so many seconds pass.
    fn pass(&self, seconds: i64) {
        self.server.env.clock.advance(Duration::seconds(seconds));
    }

    /// Sends what waits in the outbox.
    async fn sweep(&self) {
        let profile = self.server.profile("corp");
        profile.actor.send(actors::Sweep).await.unwrap();
    }

    /// What Intune knows of a request.
    fn known(&self, request: &Request) -> Option<Transaction> {
        known(&self.fake, request)
    }

    /// Intune was told of this certificate, and of nothing else.
    fn told_of(&self, request: &Request, certificate: &Certificate) {
        told_of(&self.fake, request, certificate);
    }

    /// How many certificates the store has.
    fn certificates(&self) -> u64 {
        let store = &self.server.server.runtime().services.store;
        let query = store::CertificateQuery::default();
        let now = self.server.env.clock.now();
        store.certificates(&query, now).unwrap().total
    }

    /// Nothing was sent that Microsoft's documents do not have.
    fn is_clean(&self) {
        assert!(
            self.fake.problems().is_empty(),
            "{:?}",
            self.fake.problems()
        );
    }
}

/// A PKCSReq of a device with this challenge.
fn request(device: &Device, challenge: &str) -> Request {
    let csr = csr(device, challenge, "dns:box-4.example.org");
    device.request(Content::PkcsReq(&csr))
}

fn csr(device: &Device, challenge: &str, sans: &str) -> Csr {
    let subject = Name::parse("O=Example, CN=box-4").unwrap();
    let sans = SubjectAltNames::parse(sans).unwrap();
    Csr::build(&subject, &sans, Some(challenge), &[], &device.key).unwrap()
}

fn known(fake: &Fake, request: &Request) -> Option<Transaction> {
    let tenant = fake.tenants().remove(0).id;
    fake.transactions(&tenant).remove(request.transaction_id())
}

fn told_of(fake: &Fake, request: &Request, certificate: &Certificate) {
    let transaction = known(fake, request).expect("Intune knows of it");
    let told = transaction.success.expect("Intune was told");
    let thumbprint = openssl::hash::hash(openssl::hash::MessageDigest::sha1(), certificate.der());
    assert_eq!(
        told["certificateThumbprint"],
        hex::encode_upper(thumbprint.unwrap())
    );
    assert_eq!(
        told["certificateSerialNumber"],
        hex::encode_upper(certificate.serial().as_bytes())
    );
    let ends = certificate.not_after().format("%Y-%m-%dT%H:%M:%S.000Z");
    assert_eq!(told["certificateExpirationDateUtc"], ends.to_string());
    assert_eq!(transaction.failure, None);
}

/// Calls of an operation that had an end, or have one soon.
async fn after(fake: &Fake, operation: Operation, count: usize) {
    fake.ended(operation, count).await;
}
