"""certsrv gets certificates from the pages of Web Enrollment."""

import os

import certsrv
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7

from common import CLIENT, TRUST, URL, csr, judge, key, pem

HOST = URL.removeprefix("https://")
PASSWORD = "p4ss of the account"
client = certsrv.Certsrv(HOST, "FAKE\\svc-scepd", PASSWORD, cafile=TRUST)
assert client.check_credentials()
assert not certsrv.Certsrv(HOST, "FAKE\\svc-scepd", "wrong", cafile=TRUST).check_credentials()

ca = x509.load_pem_x509_certificate(client.get_ca_cert())
chain = pkcs7.load_der_pkcs7_certificates(client.get_chain())
assert len(chain) == 2 and ca in chain

own = key()
issued = client.get_cert(pem(csr(own, "laptop-1")), "SCEPDevice")
judge(x509.load_pem_x509_certificate(issued), own, "laptop-1", issuer=ca)

try:
    client.get_cert(pem(csr(own, "laptop-1")), "Nothing")
    raise AssertionError("it was issued")
except certsrv.RequestDeniedException as error:
    assert str(error).startswith("Denied by Policy Module  0x80094800, "), error

# The mapped client certificate, and a request that waits: the fake makes those wait that say so.
mapped = certsrv.Certsrv(HOST, CLIENT, CLIENT, auth_method="cert", cafile=TRUST)
try:
    mapped.get_cert(pem(csr(own, "waits")), "SCEPWaits")
    raise AssertionError("it was issued")
except certsrv.CertificatePendingException as error:
    waiting = error.req_id
try:
    mapped.get_existing_cert(waiting)
    raise AssertionError("it was issued")
except certsrv.CouldNotRetrieveCertificateException as error:
    assert str(error) == "Taken Under Submission", error
