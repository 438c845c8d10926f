"""A mail server (aiosmtpd) that asks for STARTTLS and a password, and writes each mail that it takes as a line of JSON.

Usage: mail_server.py CERTIFICATE KEY FILE [PORT]. The first line it prints is its port. Mails to `gone@…` are refused for
good, mails to `busy@…` for now.
"""

import json
import signal
import socket
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

certificate, key, file = sys.argv[1:4]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"counterfoil", b"a mail secret"))


class Keep:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("gone@"):
            return "550 5.1.1 no such user"
        if address.startswith("busy@"):
            return "451 4.3.0 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None,
            "authenticated": session.authenticated,
            "text": envelope.content.decode(),
        }
        with open(file, "a") as mails:
            mails.write(json.dumps(mail) + "\n")
        return "250 OK"


tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
tls.load_cert_chain(certificate, key)
port = int(sys.argv[4]) if len(sys.argv) > 4 else free_port()
controller = Controller(
    Keep(),
    hostname="127.0.0.1",
    port=port,
    tls_context=tls,
    require_starttls=True,
    authenticator=authenticate,
    auth_required=True,
)
controller.start()
print(port, flush=True)
signal.pause()
