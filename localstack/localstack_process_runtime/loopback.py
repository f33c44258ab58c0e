"""LocalStack on the loopback interface only.

4.13.1 listens on every IPv4 interface whatever host GATEWAY_LISTEN names (`TODO: interface = host?` in its twisted server), and as
root opens a DNS server on port 53 of all interfaces.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Any

from localstack_process_runtime.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Iterable


def listen(protocol_factory: Any, host: str, port: int) -> None:
    """Listen with twisted on exactly this address, answering without Nagle's delay."""
    from twisted.internet import reactor  # noqa: PLC0415 (the reactor is LocalStack's to install)

    reactor.listenTCP(port, _WithoutDelay(protocol_factory), interface=_interface(host))


def _interface(host: str) -> str:
    """Twisted takes an address, not a name."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return socket.gethostbyname(host)


class _WithoutDelay:
    """A protocol factory whose connections have TCP_NODELAY set: an answer's body must not wait for its head's acknowledgement."""

    def __init__(self, factory: Any) -> None:
        self._factory = factory

    def __getattr__(self, name: str) -> Any:
        return getattr(self._factory, name)

    def buildProtocol(self, address: Any) -> Any:  # noqa: N802 (twisted's name)
        protocol = self._factory.buildProtocol(address)
        if protocol is not None:
            connect = protocol.makeConnection

            def make_connection(transport: Any) -> None:
                transport.setTcpNoDelay(True)
                connect(transport)

            protocol.makeConnection = make_connection
        return protocol


def bind_to_named_interface() -> None:
    """Make LocalStack's gateway server listen where GATEWAY_LISTEN says, and its DNS server not at all."""
    from localstack.aws.serving.twisted import TLSMultiplexerFactory  # noqa: PLC0415
    from localstack.runtime.server.twisted import TwistedRuntimeServer  # noqa: PLC0415
    from rolo.serving.twisted import TwistedGateway  # noqa: PLC0415
    from twisted.internet import ssl  # noqa: PLC0415

    from localstack import config  # noqa: PLC0415

    def register(_self: TwistedRuntimeServer, gateway: Any, listen_on: Iterable[Any], ssl_creds: tuple[str, str] | None = None) -> None:
        factory: Any = TwistedGateway(gateway)
        if get_settings().process_executor:
            from localstack_process_runtime.direct_invoke import DirectInvoke  # noqa: PLC0415

            factory.resource = DirectInvoke(factory.resource)
        if ssl_creds:
            certificate, key = ssl_creds
            contexts = ssl.DefaultOpenSSLContextFactory(key, certificate)
            contexts.getContext().use_certificate_chain_file(certificate)
            factory = TLSMultiplexerFactory(contexts, False, factory)
        for address in listen_on:
            listen(factory, address.host, address.port)

    TwistedRuntimeServer.register = register
    config.DNS_ADDRESS = "0"
