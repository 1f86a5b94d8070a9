"""acme2certifier's handler for EJBCA enrolls, and revokes, at the fake."""

import base64

import requests
from acme2certifier.cahandlers.ejbca_ca_handler import CAhandler
from cryptography import x509

from common import CLIENT, LOGGER, TRUST, URL, csr, der, judge, key


def handler():
    one = CAhandler(False, LOGGER)
    one.api_host = URL
    one.ca_bundle = TRUST
    one.ca_name = "ManagementCA"
    one.cert_profile_name = "DEVICE"
    one.ee_profile_name = "Devices"
    one.enrollment_code = "foo123"
    one.username = "acme-"
    one.username_append_cn = True
    one.request_retries = 0
    one.session = requests.Session()
    one.session.cert = CLIENT
    return one


own = key()
request = base64.urlsafe_b64encode(der(csr(own, "laptop-1"))).decode().rstrip("=")
error, bundle, raw, _ = handler().enroll(request)
assert error is None, error
chain = x509.load_pem_x509_certificates(bundle.encode())
assert len(chain) == 3, "certificate, issuing CA, root"
judge(chain[0], own, "laptop-1", issuer=chain[1])
chain[1].verify_directly_issued_by(chain[2])

code, _, detail = handler().revoke(raw, "KEY_COMPROMISE")
assert code == 200, detail
code, message, _ = handler().revoke(raw, "KEY_COMPROMISE")
assert (code, message) == (400, "urn:ietf:params:acme:error:alreadyRevoked")

stranger = handler()
stranger.session.cert = None
error, *_ = stranger.enroll(request)
assert error == "Malformed response", error
