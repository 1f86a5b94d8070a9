"""What the judges share: where the fake is, keys, requests, and certificates held against them."""

import logging
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

URL = os.environ["FAKE_URL"]
DIR = os.environ["FAKE_DIR"]
TRUST = os.path.join(DIR, "trust.pem")
CLIENT = os.path.join(DIR, "client.pem")
LOGGER = logging.getLogger("judge")


def key():
    return ec.generate_private_key(ec.SECP256R1())


def csr(own, name):
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    names = x509.SubjectAlternativeName([x509.DNSName(f"{name}.example.org")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.add_extension(names, critical=False).sign(own, hashes.SHA256())


def pem(request):
    return request.public_bytes(serialization.Encoding.PEM).decode()


def der(request):
    return request.public_bytes(serialization.Encoding.DER)


def judge(certificate, own, name, issuer=None):
    """Key, subject, names and extensions are those of the request and of the profile."""
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    spki = lambda public: public.public_bytes(encoding, form)
    assert spki(certificate.public_key()) == spki(own.public_key())
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert [one.value for one in common] == [name], certificate.subject
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [f"{name}.example.org"]
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert not basic.ca
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [one.dotted_string for one in usage] == ["1.3.6.1.5.5.7.3.2"]
    if issuer is not None:
        certificate.verify_directly_issued_by(issuer)
