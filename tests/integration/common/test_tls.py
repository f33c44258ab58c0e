"""Database and Redis as RDS and ElastiCache have them: by TLS, believed by certificate and name, with a user and a password."""

import datetime as dt
import ipaddress
import ssl
import subprocess
import sys
from dataclasses import replace

import pymysql
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis import Redis
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from common.config import get_settings
from common.db import get_engine
from common.redis_client import get_redis, redis_address, try_redis
from infra.bridge.database import close, connect
from infra.stack import Ports, Stack
from infra.stack.foreground import running
from infra.stack.instance import PROJECT_DIR

LISTENER = """
from infra.bridge.wakeups import Wakeups
wakeups = Wakeups(["order_status"], lambda: print("heard", flush=True))
wakeups.run()
"""
USER, PASSWORD = "by_tls", "a password of letters"


class Certificates:
    """An authority of the tests' own, and what it signed for 127.0.0.1, which is not `localhost`."""

    def __init__(self, folder):
        self.authority, self.certificate, self.key = (folder / name for name in ("ca.pem", "server.pem", "server.key"))
        authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority of the tests")])
        server = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A server of the tests")])
        identifier = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
        uses = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        self._write(
            self.authority,
            self._builder(authority, authority, authority_key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(uses, critical=True)
            .add_extension(identifier, critical=False)
            .sign(authority_key, hashes.SHA256()),
        )
        self._write(
            self.certificate,
            self._builder(server, authority, key)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
            .sign(authority_key, hashes.SHA256()),
        )
        self.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))

    @staticmethod
    def _builder(subject, issuer, key):
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
        )

    @staticmethod
    def _write(path, certificate):
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def addresses(certificates, tmp_path_factory):
    """A database and a Redis that are reached by TLS alone. Yields the environment that reaches them."""
    stack = Stack(tmp_path_factory.mktemp("tls"), Ports.free())
    files = {"ca": certificates.authority, "cert": certificates.certificate, "key": certificates.key}
    stack.servers["mariadb"] = replace(
        stack.servers["mariadb"], command=(*stack.servers["mariadb"].command, *(f"--ssl-{name}={path}" for name, path in files.items()))
    )
    port = stack.ports.redis
    stack.servers["redis"] = replace(
        stack.servers["redis"],
        command=(
            *("redis-server", "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--save", ""),
            *("--tls-cert-file", str(certificates.certificate), "--tls-key-file", str(certificates.key)),
            *("--tls-ca-cert-file", str(certificates.authority), "--tls-auth-clients", "no"),
            *("--user", "default", "off", "--user", USER, "on", ">" + PASSWORD.replace(" ", "_"), "~*", "&*", "+@all"),
        ),
        healthy=lambda: _listens(port),
    )
    with running(stack, "mariadb", "redis"):
        with pymysql.connect(host="127.0.0.1", port=stack.ports.mysql, user="root", password="root") as root, root.cursor() as cursor:
            cursor.execute(f"CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}' REQUIRE SSL")
            cursor.execute(f"GRANT ALL ON *.* TO {USER}@'127.0.0.1'")
        yield stack.addresses() | {
            "DATABASE_USER": USER,
            "DATABASE_PASSWORD": PASSWORD,
            "DATABASE_TLS": "true",
            "DATABASE_CA_FILE": str(certificates.authority),
            "REDIS_TLS": "true",
            "REDIS_USER": USER,
            "REDIS_PASSWORD": PASSWORD.replace(" ", "_"),
        }


def _listens(port):
    try:
        with Redis("127.0.0.1", port, ssl=True, ssl_cert_reqs="none", ssl_check_hostname=False, username=USER, password=PASSWORD) as client:
            return client.ping()
    except Exception as error:  # noqa: BLE001
        return "WRONGPASS" in str(error).upper() or "invalid username-password" in str(error)


@pytest.fixture
def settings(addresses, certificates, monkeypatch):
    """Puts the environment together, changed as the test says; the machine believes the tests' authority unless it says otherwise."""

    def use(**changed):
        environment = addresses | {"SSL_CERT_FILE": str(certificates.authority)} | changed
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        get_settings.cache_clear()
        get_redis.cache_clear()
        get_engine.cache_clear()
        return get_settings()

    yield use
    get_settings.cache_clear()
    get_redis.cache_clear()
    get_engine.cache_clear()


def cipher(cursor):
    cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
    row = cursor.fetchone()
    return row["Value"] if isinstance(row, dict) else row[1]


def test_services_and_bridge_speak_tls_with_the_database(settings):
    settings()
    with get_engine().connect() as connection:
        assert connection.execute(text("SHOW SESSION STATUS LIKE 'Ssl_cipher'")).one()[1]
    bridge = connect()
    with bridge.cursor() as cursor:
        assert cipher(cursor)
    close(bridge)


def test_migrations_speak_tls_with_the_database(settings, addresses, tmp_path):
    settings()
    migrate = Stack(tmp_path, Ports.free()).jobs["migrate"]
    done = subprocess.run(
        migrate.command, env={**migrate.environment, **addresses}, cwd=migrate.directory, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "changed",
    [{"DATABASE_HOST": "localhost"}, {"DATABASE_CA_FILE": ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"}],
    ids=["of another name", "signed by a stranger"],
)
def test_database_is_not_believed_by_a_certificate(settings, changed):
    settings(**changed)
    with pytest.raises(OperationalError, match="CERTIFICATE_VERIFY_FAILED"), get_engine().connect():
        pass
    with pytest.raises(pymysql.err.OperationalError, match="CERTIFICATE_VERIFY_FAILED"):
        connect()


def test_services_speak_tls_with_redis_as_the_user_that_it_knows(settings):
    settings()
    assert try_redis(lambda client: client.acl_whoami(), None, insist=True) == USER


def test_wakeups_are_heard_by_tls(settings):
    settings()
    listener = [sys.executable, "-c", LISTENER]
    with subprocess.Popen(listener, stdout=subprocess.PIPE, text=True, cwd=PROJECT_DIR) as process, Redis(**redis_address()) as client:
        try:
            assert "heard\n" in process.stdout  # when it is connected
            client.publish("order_status", "{}")
            assert "heard\n" in process.stdout
        finally:
            process.kill()


@pytest.mark.parametrize(
    "changed",
    [
        {"REDIS_HOST": "localhost"},
        {"SSL_CERT_FILE": "/dev/null"},
        {"REDIS_PASSWORD": "another"},
        {"REDIS_PASSWORD": ""},
        {"REDIS_TLS": "false"},
    ],
    ids=["of another name", "signed by a stranger", "with a wrong password", "with none", "without TLS"],
)
def test_redis_is_away_for_who_does_not_believe_it_and_whom_it_does_not_know(settings, changed):
    settings(**changed)
    assert try_redis(lambda client: client.ping(), "away", insist=True) == "away"
