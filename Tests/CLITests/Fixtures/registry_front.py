"""What stands before a real registry in the tests: it passes requests on, and does what registries, proxies and
networks do to clients now and then. Prints one line of JSON with its ports, and logs every request.

  registry_front.py --registry PORT --log FILE [--busy N] [--cut-upload BYTES] [--cut-download BYTES] [--tamper]
                    [--redirect]
  registry_front.py --token FOLDER --user NAME --password TEXT --log FILE
"""
import argparse
import base64
import datetime
import http.client
import http.server
import json
import os
import threading
import time
import urllib.parse

arguments = argparse.ArgumentParser()
arguments.add_argument("--registry", type=int)
arguments.add_argument("--log", required=True)
arguments.add_argument("--busy", type=int, default=0, help="so many requests are first answered with 503 or 429")
arguments.add_argument("--cut-upload", type=int, help="the first upload is broken off after so many bytes")
arguments.add_argument("--cut-download", type=int, help="the first download of a large content is broken off")
arguments.add_argument("--tamper", action="store_true", help="one byte of every large content is changed")
arguments.add_argument("--redirect", action="store_true", help="contents are to be had at another origin")
arguments.add_argument("--token", help="folder for the key and certificate that tokens are signed with")
arguments.add_argument("--user")
arguments.add_argument("--password")
options = arguments.parse_args()
turn = threading.Lock()
remaining = {"busy": options.busy, "upload": options.cut_upload, "download": options.cut_download}
LARGE = 1 << 20


def log(line):
    with turn, open(options.log, "a") as file:
        file.write(line + "\n")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def note(self, where):
        kind = self.headers.get("Authorization", "none").split(" ")[0]
        part = self.headers.get("Content-Range") or self.headers.get("Range") or "-"
        log(f"{where} {self.command} {self.path} {kind} {part}")


class Front(Handler):
    where = "front"

    def pass_on(self):
        self.note(self.where)
        length = int(self.headers.get("Content-Length") or 0)
        with turn:
            busy = remaining["busy"] > 0
            remaining["busy"] -= busy
        if busy:
            self.rfile.read(length)
            status = 429 if remaining["busy"] % 2 else 503
            return self.answer(status, b'{"errors":[]}', [("Retry-After", "0")])
        is_blob = "/blobs/sha256:" in self.path and self.command == "GET"
        if is_blob and options.redirect and self.where == "front":
            place = f"http://127.0.0.1:{other.server_port}{self.path}"
            return self.answer(307, headers=[("Location", place)])
        link = http.client.HTTPConnection("127.0.0.1", options.registry)
        link.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("connection", "transfer-encoding"):
                link.putheader(name, value)
        link.endheaders()
        if not self.send_body(link, length):
            return
        self.send_answer(link.getresponse(), is_blob)

    def send_body(self, link, length):
        """Passes the body on; False where the connection was broken off."""
        sent = 0
        while sent < length:
            piece = self.rfile.read(min(1 << 16, length - sent))
            if not piece:
                return False
            link.send(piece)
            sent += len(piece)
            with turn:
                cut = self.command == "PATCH" and remaining["upload"] is not None and sent >= remaining["upload"]
                if cut:
                    remaining["upload"] = None
            if cut:
                # The registry keeps what has arrived once it sees the connection end.
                link.sock.close()
                time.sleep(1)
                self.close_connection = True
                self.connection.close()
                return False
        return True

    def send_answer(self, response, is_blob):
        body = response.read() if self.command != "HEAD" else b""
        is_large = is_blob and len(body) > LARGE
        if is_large and options.tamper:
            body = body[:1000] + bytes([body[1000] ^ 1]) + body[1001:]
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "date", "server"):
                self.send_header(name, value)
        self.end_headers()
        with turn:
            cut = remaining["download"] if is_large else None
            if is_large:
                remaining["download"] = None
        self.wfile.write(body[:cut] if cut else body)
        if cut:
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = pass_on


class Elsewhere(Front):
    where = "elsewhere"


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_key(folder):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    with open(os.path.join(folder, "bundle.pem"), "wb") as file:
        file.write(certificate.public_bytes(serialization.Encoding.PEM))
    return key, certificate.public_bytes(serialization.Encoding.DER)


class Authority(Handler):
    """Signs tokens for whoever knows the password, as the distribution project's token authentication has it."""

    def do_GET(self):
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        self.note("authority")
        wanted = "Basic " + base64.b64encode(f"{options.user}:{options.password}".encode()).decode()
        if self.headers.get("Authorization") != wanted:
            return self.answer(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"who is it?"}]}')
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        access = []
        for scope in query.get("scope", []):
            kind, name, actions = scope.split(":", 2)
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        now = int(time.time())
        head = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        claims = {"iss": "tests", "sub": options.user, "aud": query["service"][0], "exp": now + 300, "nbf": now - 10,
                  "iat": now, "jti": str(time.time_ns()), "access": access}
        text = encoded(json.dumps(head).encode()) + "." + encoded(json.dumps(claims).encode())
        signature = key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        self.answer(200, json.dumps({"token": text + "." + encoded(signature), "expires_in": 300}).encode())


def serve(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


if options.token:
    key, der = make_key(options.token)
    print(json.dumps({"port": serve(Authority).server_port}), flush=True)
else:
    other = serve(Elsewhere)
    print(json.dumps({"port": serve(Front).server_port, "other": other.server_port}), flush=True)
threading.Event().wait()
