"""google-auth logs in at the fake, by a key and by the metadata server, and gets a certificate."""

import base64
import os
import uuid

os.environ["GCE_METADATA_HOST"] = os.environ["FAKE_METADATA_URL"].removeprefix("http://")

import requests
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from google.auth import compute_engine
from google.auth.transport.requests import AuthorizedSession, Request
from google.oauth2 import service_account

from common import DIR, TRUST, URL, judge, key

POOL = "projects/fake/locations/europe-west3/caPools/devices"
CERTIFICATES = f"{URL}/v1/{POOL}/certificates"
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]

trusting = requests.Session()
trusting.verify = TRUST
trusting.trust_env = False
login = Request(session=trusting)

by_key = service_account.Credentials.from_service_account_file(os.path.join(DIR, "key.json"), scopes=SCOPES)
session = AuthorizedSession(by_key, auth_request=login)
session.verify = TRUST
session.trust_env = False

by_machine = compute_engine.Credentials()
by_machine.refresh(login)
assert by_machine.token.startswith("ya29.")
assert by_machine.service_account_email == "scepd@fake.iam.gserviceaccount.com"

own = key()
public = own.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
asked = {
    "lifetime": "2592000s",
    "config": {
        "subjectConfig": {
            "subject": {"organization": "Example", "commonName": "laptop-1"},
            "subjectAltName": {"dnsNames": ["laptop-1.example.org"]},
        },
        "x509Config": {
            "keyUsage": {
                "baseKeyUsage": {"digitalSignature": True},
                "extendedKeyUsage": {"clientAuth": True},
            },
            "caOptions": {"isCa": False},
        },
        "publicKey": {"format": "PEM", "key": base64.b64encode(public).decode()},
    },
}
ids = {"certificateId": "tx-1", "requestId": str(uuid.uuid4())}
answer = session.post(CERTIFICATES, params=ids, json=asked)
assert answer.status_code == 200, answer.text
made = x509.load_pem_x509_certificate(answer.json()["pemCertificate"].encode())
chain = [x509.load_pem_x509_certificate(one.encode()) for one in answer.json()["pemCertificateChain"]]
judge(made, own, "laptop-1", issuer=chain[0])
serial = answer.json()["certificateDescription"]["subjectDescription"]["hexSerialNumber"]
assert int(serial, 16) == made.serial_number

other = session.post(CERTIFICATES, params={"certificateId": "tx-1", "requestId": str(uuid.uuid4())}, json=asked)
assert other.status_code == 409 and other.json()["error"]["status"] == "ALREADY_EXISTS", other.text
revoked = session.post(f"{CERTIFICATES}/tx-1:revoke", json={"reason": "KEY_COMPROMISE"})
assert revoked.json()["revocationDetails"]["revocationState"] == "KEY_COMPROMISE", revoked.text
by_key.token = "ya29.stale"
assert session.get(f"{CERTIFICATES}/tx-1").status_code == 200, "it logs in again after 401"
