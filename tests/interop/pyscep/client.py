"""PyScep 0.0.14 on the command line.

    client.py load
    client.py enroll URL CHALLENGE CN DIR
    client.py wait URL CHALLENGE CN DIR
    client.py getcert URL DIR
    client.py getcrl URL DIR

`enroll` leaves cert.pem and key.pem in DIR; `getcert` and `getcrl` use them. `wait` enrolls where an operator has to
approve, and polls for a minute at most.

oscrypto, which PyScep signs with, recognises OpenSSL by a version of three single digits; Debian's has two in its last
place. Nothing is patched: oscrypto is told to use another OpenSSL, by its own call for that, namely the one that the
wheel of psycopg2 brings.
"""

import glob
import os
import sys
import time
import warnings

import oscrypto


def choose_openssl():
    import psycopg2

    libraries = os.path.join(os.path.dirname(os.path.dirname(psycopg2.__file__)), "psycopg2_binary.libs")
    crypto = glob.glob(os.path.join(libraries, "libcrypto*"))
    ssl = glob.glob(os.path.join(libraries, "libssl*"))
    oscrypto.use_openssl(crypto[0], ssl[0])


choose_openssl()
warnings.simplefilter("ignore")

from scep import Client  # noqa: E402

USAGE = {"digital_signature", "key_encipherment"}


def write(directory, name, octets):
    with open(os.path.join(directory, name), "wb") as file:
        file.write(octets)


def read(directory, name):
    with open(os.path.join(directory, name), "rb") as file:
        return file.read()


def octets(text):
    return text if isinstance(text, bytes) else text.encode("ascii")


def identity(directory):
    """The certificate that was issued, and its key."""
    certificate = Client.Certificate.from_pem(read(directory, "cert.pem"))
    key = Client.PrivateKey.from_pem(read(directory, "key.pem"))
    return certificate, key


def must_succeed(answer):
    if answer.status.name != "SUCCESS":
        detail = getattr(answer, "fail_info", None)
        sys.exit("%s %s" % (answer.status.name, getattr(detail, "name", detail) or ""))


def begin(url, challenge, cn):
    """The first answer, and what the next ones need."""
    self_signed, own_key = Client.SigningRequest.generate_self_signed(cn=cn, key_usage=USAGE)
    csr, key = Client.SigningRequest.generate_csr(cn=cn, key_usage=USAGE, password=challenge)
    answer = Client.Client(url).enrol(csr, self_signed, own_key)
    return answer, self_signed, own_key, key


def keep(directory, answer, key):
    must_succeed(answer)
    write(directory, "cert.pem", octets(answer.certificates[0].to_pem()))
    write(directory, "key.pem", octets(key.to_pem()))


def enroll(url, challenge, cn, directory):
    answer, _, _, key = begin(url, challenge, cn)
    keep(directory, answer, key)


def wait(url, challenge, cn, directory):
    answer, self_signed, own_key, key = begin(url, challenge, cn)
    if answer.status.name != "PENDING":
        sys.exit("expected PENDING, not %s" % answer.status.name)
    deadline = time.monotonic() + 60
    while answer.status.name == "PENDING" and time.monotonic() < deadline:
        answer = Client.Client(url).poll(self_signed, own_key, self_signed.subject, answer.transaction_id)
    keep(directory, answer, key)


def getcert(url, directory):
    certificate, key = identity(directory)
    answer = Client.Client(url).get_cert(certificate, key, certificate.serial_number)
    must_succeed(answer)
    write(directory, "again.pem", octets(answer.certificates[0].to_pem()))


def getcrl(url, directory):
    certificate, key = identity(directory)
    answer = Client.Client(url).get_crl(certificate, key, certificate.serial_number)
    must_succeed(answer)
    write(directory, "crl.der", answer.crl.to_der())


def load():
    Client.SigningRequest.generate_self_signed(cn="load", key_usage=USAGE)


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    {"load": load, "enroll": enroll, "wait": wait, "getcert": getcert, "getcrl": getcrl}[command](*arguments)
