"""An ACME authority for one test: acme2certifier with its own OpenSSL authority, over TLS on this machine.

Two things stand in for the world: every name is this machine's, and port 443 there is the port in $FORWARD, as a router
would forward it. What the authority asks at that port and what it makes of the answer is its own.

$DIR is a directory for its files, with `ca.pem`, `ca.key`, `server.pem` and `server.key` in it. With $EAB_KEY, accounts
must be bound to the key `kid-1`. While the file `withheld` is there, nobody gets a certificate that was made. Each request is a
line of the file `asked`. Prints its directory's URL as JSON, then serves until it is ended.
"""

import json
import os
import socket
import ssl
import wsgiref.simple_server
from pathlib import Path

HERE = Path(os.environ["DIR"])
PORT = int(os.environ.get("PORT", "0"))
FORWARD = int(os.environ["FORWARD"])


def configure():
    text = f"""[DEFAULT]
debug: False
[DBhandler]
handler: wsgi
dbfile: {HERE / "acme.db"}
[CAhandler]
handler_module: acme2certifier.cahandlers.openssl_ca_handler
issuing_ca_key: {HERE / "ca.key"}
issuing_ca_cert: {HERE / "ca.pem"}
issuing_ca_crl: {HERE / "ca.crl"}
cert_save_path: {HERE / "issued"}
cert_validity_days: 1
[Challenge]
http_01_support: False
dns_01_support: False
"""
    if os.environ.get("EAB_KEY"):
        (HERE / "eab.json").write_text(json.dumps({"kid-1": os.environ["EAB_KEY"]}))
        text += f"[EABhandler]\neab_handler_module: acme2certifier.eabhandlers.json_handler\nkey_file: {HERE / 'eab.json'}\n"
    (HERE / "issued").mkdir(exist_ok=True)
    (HERE / "acme_srv.cfg").write_text(text)
    os.environ["ACME_SRV_CONFIGFILE"] = str(HERE / "acme_srv.cfg")


def stand_in_for_the_world():
    from acme2certifier.acme_srv import helper

    helper.fqdn_resolve = lambda *_args, **_options: (["127.0.0.1"], False, None)
    connect = socket.socket.connect

    def forwarded(self, address):
        return connect(self, (address[0], FORWARD) if address[1] == 443 else address)

    import socks

    socks.socksocket.connect = forwarded


def watched(environ, start_response):
    path = environ["PATH_INFO"]
    with open(HERE / "asked", "a") as asked:
        asked.write(path + "\n")
    if path.startswith("/acme/cert/") and (HERE / "withheld").exists():
        start_response("503 Service Unavailable", [("Content-Type", "text/plain")])
        return [b"later"]
    return application(environ, start_response)


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def get_environ(self):
        return {**super().get_environ(), "HTTPS": "on"}

    def log_message(self, *_):
        pass


configure()
stand_in_for_the_world()
from acme2certifier.share.acme2certifier_wsgi import application  # noqa: E402

server = wsgiref.simple_server.make_server("127.0.0.1", PORT, watched, handler_class=Quiet)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(HERE / "server.pem", HERE / "server.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(json.dumps({"directory": f"https://localhost:{server.server_port}/directory"}), flush=True)
server.serve_forever()
