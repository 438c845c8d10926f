"""A stand-in for the issuer of a CI system's tokens: its discovery document and its keys (JWKS), and tokens on demand.

Prints its issuer. Then reads a JSON object a line and answers with a line each:
{"mint": CLAIMS, "alg"?: "RS256" or "ES256", "how"?: "stranger" | "hs256" | "none" | "unknown"}  a token; `how` says what is
wrong with it: signed by somebody else's key under the right name, signed with the public key as a shared secret, not
signed, or signed under a name that is not published.
{"rotate": true}  new keys in place of the old; {"requests": true}  how often the keys were fetched.
`iat`, `nbf` and `exp` are added to claims that lack them.
"""

import base64
import hashlib
import hmac
import http.server
import json
import sys
import threading
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, length=None):
    return b64(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


class Keys:
    def __init__(self, generation):
        self.rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.names = {"RS256": f"rsa-{generation}", "ES256": f"ec-{generation}"}

    def published(self):
        public, point = self.rsa.public_key().public_numbers(), self.ec.public_key().public_numbers()
        return {"keys": [
            {"kty": "RSA", "kid": self.names["RS256"], "use": "sig", "alg": "RS256", "n": number(public.n), "e": number(public.e)},
            {"kty": "EC", "kid": self.names["ES256"], "use": "sig", "alg": "ES256", "crv": "P-256",
             "x": number(point.x, 32), "y": number(point.y, 32)},
        ]}

    def sign(self, alg, data):
        if alg == "RS256":
            return self.rsa.sign(data, padding.PKCS1v15(), hashes.SHA256())
        r, s = decode_dss_signature(self.ec.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


keys, stranger, generation, fetched = Keys(0), Keys("stranger"), 0, 0


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global fetched
        documents = {
            "/.well-known/openid-configuration": {"issuer": issuer, "jwks_uri": f"{issuer}/keys"},
            "/keys": keys.published(),
        }
        fetched += self.path == "/keys"
        body = json.dumps(documents.get(self.path, {})).encode()
        self.send_response(200 if self.path in documents else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        pass


def mint(ask):
    alg, how = ask.get("alg", "RS256"), ask.get("how")
    now = int(time.time())
    claims = {"iss": issuer, "iat": now, "nbf": now, "exp": now + 300, **ask["mint"]}
    header = {"alg": alg, "typ": "JWT", "kid": keys.names[alg]}
    if how == "hs256":
        header["alg"] = "HS256"
    if how == "none":
        header["alg"] = "none"
    if how == "unknown":
        header["kid"] = "nobody"
    data = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}".encode()
    pem = keys.rsa.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    signature = {
        "hs256": lambda: hmac.new(pem, data, hashlib.sha256).digest(),
        "none": lambda: b"",
        "stranger": lambda: stranger.sign(alg, data),
    }.get(how, lambda: keys.sign(alg, data))()
    return f"{data.decode()}.{b64(signature)}"


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
issuer = f"http://127.0.0.1:{server.server_port}"
threading.Thread(target=server.serve_forever, daemon=True).start()
print(issuer, flush=True)
for line in sys.stdin:
    ask = json.loads(line)
    if "mint" in ask:
        print(mint(ask), flush=True)
    elif "requests" in ask:
        print(fetched, flush=True)
    else:
        generation += 1
        keys = Keys(generation)
        print("rotated", flush=True)
