"""boto3 gets certificates from the fake, and moto, asked the same, answers in the same shapes."""

import time

import boto3
import botocore.args
import botocore.model
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography import x509
from moto import mock_aws

from common import TRUST, URL, csr, judge, key, pem

ARN = "arn:aws:acm-pca:eu-central-1:123456789012:certificate-authority/0d5a1441-5891-453b-becf-a2e5f6ea3749"
TEMPLATE = "arn:aws:acm-pca:::template/BlankEndEntityCertificate_APIPassthrough/V1"
# The service speaks JSON too; the newest libraries would rather have CBOR.
for module in (botocore.args, botocore.model):
    if hasattr(module, "PRIORITY_ORDERED_SUPPORTED_PROTOCOLS"):
        module.PRIORITY_ORDERED_SUPPORTED_PROTOCOLS = ("json",)


def client(secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", **more):
    return boto3.client(
        "acm-pca",
        region_name="eu-central-1",
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 0}, proxies={}),
        **more,
    )


def code(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    raise AssertionError("it was done")


ours = client(endpoint_url=URL, verify=TRUST)
own = key()
asked = {
    "CertificateAuthorityArn": ARN,
    "Csr": pem(csr(own, "from-the-csr")).encode(),
    "SigningAlgorithm": "SHA256WITHECDSA",
    "TemplateArn": TEMPLATE,
    "Validity": {"Type": "ABSOLUTE", "Value": int(time.time()) + 86400 * 30},
    "IdempotencyToken": "tx-1",
    "ApiPassthrough": {
        "Subject": {"CustomAttributes": [
            {"ObjectIdentifier": "2.5.4.10", "Value": "Example"},
            {"ObjectIdentifier": "2.5.4.3", "Value": "laptop-1"},
        ]},
        "Extensions": {
            "KeyUsage": {"DigitalSignature": True, "KeyEncipherment": True},
            "ExtendedKeyUsage": [{"ExtendedKeyUsageType": "CLIENT_AUTH"}],
            "SubjectAlternativeNames": [{"DnsName": "laptop-1.example.org"}],
        },
    },
}
arn = ours.issue_certificate(**asked)["CertificateArn"]
assert ours.issue_certificate(**asked)["CertificateArn"] == arn, "the same token"
waiter = ours.get_waiter("certificate_issued")
waiter.config.delay = 0.05
waiter.wait(CertificateAuthorityArn=ARN, CertificateArn=arn)
got = ours.get_certificate(CertificateAuthorityArn=ARN, CertificateArn=arn)
certificate = x509.load_pem_x509_certificate(got["Certificate"].encode())
chain = x509.load_pem_x509_certificates(got["CertificateChain"].encode())
judge(certificate, own, "laptop-1", issuer=chain[0])
assert arn.rsplit("/", 1)[1] == f"{certificate.serial_number:032x}"
serial = ":".join(f"{octet:02x}" for octet in certificate.serial_number.to_bytes(16, "big"))
revoke = {"CertificateAuthorityArn": ARN, "CertificateSerial": serial, "RevocationReason": "KEY_COMPROMISE"}
assert ours.revoke_certificate(**revoke)["ResponseMetadata"]["HTTPStatusCode"] == 200
assert code(ours.revoke_certificate, **revoke) == "RequestAlreadyProcessedException"
assert ours.describe_certificate_authority(CertificateAuthorityArn=ARN)["CertificateAuthority"]["Status"] == "ACTIVE"

assert code(client("wrong", endpoint_url=URL, verify=TRUST).issue_certificate, **asked) == "InvalidSignatureException"
assert code(ours.issue_certificate, **{**asked, "Csr": b"none", "IdempotencyToken": "tx-2"}) == "MalformedCSRException"
assert code(ours.get_certificate, CertificateAuthorityArn=ARN, CertificateArn=arn[:-1] + "g") == "ResourceNotFoundException"

with mock_aws():
    theirs = client()
    subject = {"CommonName": "moto"}
    settings = {"KeyAlgorithm": "EC_prime256v1", "SigningAlgorithm": "SHA256WITHECDSA", "Subject": subject}
    made = theirs.create_certificate_authority(
        CertificateAuthorityConfiguration=settings, CertificateAuthorityType="ROOT"
    )
    other = made["CertificateAuthorityArn"]
    answer = theirs.issue_certificate(
        CertificateAuthorityArn=other, Csr=asked["Csr"], SigningAlgorithm="SHA256WITHECDSA",
        Validity=asked["Validity"],
    )
    assert set(answer) == {"CertificateArn", "ResponseMetadata"}
    assert answer["CertificateArn"].startswith(f"{other}/certificate/")
    missing = {"CertificateAuthorityArn": ARN, "CertificateArn": arn}
    assert code(theirs.get_certificate, **missing) == "ResourceNotFoundException"
    mine = code(ours.get_certificate, CertificateAuthorityArn=ARN.replace("0d5a", "ffff"), CertificateArn=arn)
    assert mine == "ResourceNotFoundException"
