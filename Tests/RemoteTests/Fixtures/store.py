"""A store for the tests of Sources/RemoteModels: moto's S3, or files over HTTPS, with faults on demand.

Unlike moto it checks every signature, with botocore's own code and not the program's. It also hands out credentials
the way STS, containers and instances do. Prints its port as a line of JSON, then reads commands, a line of JSON each,
and answers each with a line; ends with its standard input.
"""
import argparse
import base64
import datetime
import hashlib
import hmac
import ipaddress
import json
import logging
import os
import ssl
import sys
import threading
import time
import urllib.parse

from werkzeug.serving import WSGIRequestHandler, make_server

BUCKET = "models"
KEYS = {  # access key id: (secret, session token)
    "AKIDSTATIC": ("static+/secret", None),
    "AKIDFILE": ("file-secret", None),
    "ASIASESSION": ("session-secret", "session/token=="),
    "ASIAWEB": ("web-secret", "web-token"),
    "ASIACONTAINER": ("container-secret", "container-token"),
    "ASIAINSTANCE": ("instance-secret", "instance-token"),
}
lock = threading.Lock()
faults, log = [], []


def later(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).strftime(
        "%Y-%m-%dT%H:%M:%SZ")


def respond(start, status, body=b"", headers=()):
    start(status, [("Content-Length", str(len(body))), *headers])
    return [body]


def s3_error(start, status, code):
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>as the test asked</Message></Error>".encode()
    return respond(start, status, body, [("Content-Type", "application/xml")])


def request_headers(environ):
    found = {k[5:].replace("_", "-").lower(): v for k, v in environ.items() if k.startswith("HTTP_")}
    if environ.get("CONTENT_TYPE"):
        found["content-type"] = environ["CONTENT_TYPE"]
    return found


def signature_problem(environ):
    """None where the request is signed as S3 wants it."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    headers = request_headers(environ)
    words = headers.get("authorization", "").replace(",", " ").split()
    if not words or words[0] != "AWS4-HMAC-SHA256":
        return "AccessDenied"
    parts = dict(word.split("=", 1) for word in words[1:])
    key_id, date, region, service, _ = parts["Credential"].split("/")
    secret, token = KEYS.get(key_id, (None, None))
    signed = parts["SignedHeaders"].split(";")
    if secret is None or service != "s3" or signed != sorted(signed):
        return "InvalidAccessKeyId"
    if not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(signed):
        return "SignatureDoesNotMatch"
    if token is not None and ("x-amz-security-token" not in signed or headers["x-amz-security-token"] != token):
        return "InvalidToken"
    request = AWSRequest(
        method=environ["REQUEST_METHOD"], url="http://" + environ["HTTP_HOST"] + environ["RAW_URI"],
        headers={name: headers[name] for name in signed})
    request.context["timestamp"] = headers["x-amz-date"]
    auth = S3SigV4Auth(Credentials(key_id, secret), "s3", region)
    wanted = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    return None if hmac.compare_digest(wanted, parts["Signature"]) else "SignatureDoesNotMatch"


class Files:
    """Static files with entity tags, ranges and conditions."""

    def __init__(self):
        self.files = {}

    def put(self, key, data):
        self.files[key] = data

    def __call__(self, environ, start):
        key = environ["PATH_INFO"].lstrip("/")
        if key.startswith("moved/"):
            return respond(start, "302 Found", b"", [("Location", "/" + key[6:])])
        data = self.files.get(key)
        if data is None:
            return respond(start, "404 Not Found")
        tag = '"' + hashlib.sha1(data).hexdigest() + '"'
        if environ.get("HTTP_IF_MATCH", tag) != tag:
            return respond(start, "412 Precondition Failed")
        if environ.get("HTTP_IF_NONE_MATCH") == tag:
            start("304 Not Modified", [("ETag", tag)])
            return []
        wanted = environ.get("HTTP_RANGE")
        if wanted:
            begin = int(wanted.removeprefix("bytes=").rstrip("-"))
            if begin >= len(data):
                return respond(start, "416 Range Not Satisfiable")
            return respond(start, "206 Partial Content", data[begin:], [
                ("ETag", tag), ("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")])
        return respond(start, "200 OK", data, [("ETag", tag)])


class Moto:
    def __init__(self, page):
        os.environ["MOTO_S3_DEFAULT_MAX_KEYS"] = str(page)
        from moto.server import DomainDispatcherApplication, create_backend_app

        self.app = DomainDispatcherApplication(create_backend_app)
        self.port = None

    def client(self):
        import boto3

        return boto3.client(
            "s3", endpoint_url=f"http://127.0.0.1:{self.port}", region_name="us-east-1",
            aws_access_key_id="AKIDSTATIC", aws_secret_access_key="static+/secret")

    def put(self, key, data, **more):
        client = self.client()
        try:
            client.create_bucket(Bucket=BUCKET)
        except client.exceptions.ClientError:
            pass
        client.put_object(Bucket=BUCKET, Key=key, Body=data, **more)

    def __call__(self, environ, start):
        if b"AssumeRoleWithWebIdentity" in environ.get("test.body", b""):
            form = urllib.parse.parse_qs(environ["test.body"].decode())
            if form["WebIdentityToken"] != ["a web+token"] or form["RoleArn"] != ["arn:aws:iam::1:role/r"]:
                return s3_error(start, "403 Forbidden", "InvalidIdentityToken")
            secret, token = KEYS["ASIAWEB"]
            return respond(start, "200 OK", (
                '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
                f"<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAWEB</AccessKeyId><SecretAccessKey>"
                f"{secret}</SecretAccessKey><SessionToken>{token}</SessionToken><Expiration>{later(3600)}</Expiration>"
                "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>").encode())
        if not environ["HTTP_USER_AGENT"].startswith("Boto3"):
            problem = None if arguments.open else signature_problem(environ)
            if problem:
                return s3_error(start, "403 Forbidden", problem)
            if arguments.open:  # moto itself knows no public buckets
                environ["HTTP_AUTHORIZATION"] = "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/s3/aws4_request"
        return self.app(environ, start)


def credentials(key_id):
    secret, token = KEYS[key_id]
    return json.dumps({"AccessKeyId": key_id, "SecretAccessKey": secret, "Token": token,
                       "Expiration": later(3600)}).encode()


def metadata(environ, start):
    """An instance's and a container's credentials; None for other paths."""
    path = environ["PATH_INFO"]
    if path == "/container":
        if environ.get("HTTP_AUTHORIZATION") != "container-secret-token":
            return respond(start, "401 Unauthorized")
        return respond(start, "200 OK", credentials("ASIACONTAINER"))
    if path == "/latest/api/token":
        if environ["REQUEST_METHOD"] != "PUT" or not environ.get("HTTP_X_AWS_EC2_METADATA_TOKEN_TTL_SECONDS"):
            return respond(start, "400 Bad Request")
        return respond(start, "200 OK", b"imds-token")
    if path.startswith("/latest/meta-data/iam/security-credentials/"):
        if environ.get("HTTP_X_AWS_EC2_METADATA_TOKEN") != "imds-token":
            return respond(start, "401 Unauthorized")
        return respond(start, "200 OK", credentials("ASIAINSTANCE") if path.endswith("/role") else b"role\n")
    return None


class Faulty:
    def __init__(self, store):
        self.store = store

    def __call__(self, environ, start):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        path = environ["PATH_INFO"]
        if environ.get("CONTENT_TYPE") == "application/x-www-form-urlencoded":
            environ["test.body"] = environ["wsgi.input"].read(length)
        answer = metadata(environ, start)
        if answer is not None:
            return answer
        if environ.get("HTTP_USER_AGENT", "").startswith("Boto3"):
            return self.store(environ, start)
        with lock:
            fault = next(
                (f for f in faults if f["prefix"] in path and path.endswith(f["path"]) and f["times"] > 0), None)
            if fault:
                fault["times"] -= 1
        entry = {"method": environ["REQUEST_METHOD"], "uri": environ["RAW_URI"], "headers": request_headers(environ)}
        entry["headers"].pop("authorization", None)

        def begin(status, headers, exc_info=None):
            entry["status"] = int(status.split()[0])
            with lock:
                log.append(entry)
            if fault and fault["kind"] == "short":
                headers = [(k, str(int(v) - fault["after"]) if k.lower() == "content-length" else v) for k, v in headers]
            if fault and fault["kind"] == "untagged":
                headers = [(k, v) for k, v in headers if k.lower() != "etag"]
            return start(status, headers)

        if fault and fault["kind"] == "status":
            return s3_error(begin, f"{fault['after']} Refused", fault.get("code", "SlowDown"))
        body = self.store(environ, begin)
        return self.broken(environ, b"".join(body), fault) if fault else body

    def broken(self, environ, data, fault):
        after = fault["after"]
        if fault["kind"] == "short":
            yield data[: len(data) - after]
        elif fault["kind"] == "flip":
            yield data[:after] + bytes([data[after] ^ 1]) + data[after + 1 :]
        else:
            yield data[:after]
            if fault["kind"] == "stall":
                time.sleep(fault.get("seconds", 30))
            if fault["kind"] == "slow":
                for start in range(after, len(data), 4096):
                    time.sleep(fault.get("seconds", 0.02))
                    yield data[start : start + 4096]
                return
            if "replacement" in fault:
                self.store.put(fault["key"], fault["replacement"].encode())
            connection = environ["werkzeug.socket"]
            connection.shutdown(2)


def obey(store, command):
    match command.pop("do"):
        case "put":
            more = {"ChecksumAlgorithm": command["checksum"]} if command.get("checksum") else {}
            store.put(command["key"], base64.b64decode(command["data"]), **more)
        case "fault":
            with lock:
                faults.append(command)
        case "count":
            with lock:
                return [sum(command["prefix"] in urllib.parse.unquote(entry["uri"]) for entry in log)]
        case "log":
            with lock:
                mine = [entry for entry in log if command["prefix"] in urllib.parse.unquote(entry["uri"])]
                log[:] = [entry for entry in log if entry not in mine]
                faults[:] = [fault for fault in faults if fault["prefix"] != command["prefix"]]
                return mine
    return []


def certificates(folder):
    """A certificate for 127.0.0.1 and the authority that signed it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def make(name, issuer_name, issuer_key, extension, usage=None):
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(
            x509.NameOID.COMMON_NAME, name)])).issuer_name(x509.Name([x509.NameAttribute(
                x509.NameOID.COMMON_NAME, issuer_name)])).public_key(key.public_key()).serial_number(
                    x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(
                        now + datetime.timedelta(days=2)).add_extension(extension, critical=False)
        if usage:
            builder = builder.add_extension(usage, critical=True)
        return key, builder.sign(issuer_key or key, hashes.SHA256())

    authority_key, authority = make(
        "test authority", "test authority", None, x509.BasicConstraints(ca=True, path_length=None))
    key, certificate = make(
        "127.0.0.1", "test authority", authority_key,
        x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]))
    pem = serialization.Encoding.PEM
    paths = [folder + "/" + name for name in ("authority.pem", "certificate.pem", "key.pem")]
    texts = [authority.public_bytes(pem), certificate.public_bytes(pem), key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())]
    for path, text in zip(paths, texts):
        with open(path, "wb") as file:
            file.write(text)
    return paths


parser = argparse.ArgumentParser()
parser.add_argument("mode", choices=["s3", "https"])
parser.add_argument("--folder", required=True, help="for certificates")
parser.add_argument("--page", type=int, default=1000, help="keys of a page of a listing")
parser.add_argument("--open", action="store_true", help="take requests without a signature")
arguments = parser.parse_args()
logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
WSGIRequestHandler.protocol_version = "HTTP/1.1"
store = Moto(arguments.page) if arguments.mode == "s3" else Files()
context = None
if arguments.mode == "https":
    _, certificate, key = certificates(arguments.folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
server = make_server("127.0.0.1", 0, Faulty(store), threaded=True, ssl_context=context)
server.daemon_threads = True
if arguments.mode == "s3":
    store.port = server.port
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({"port": server.port}), flush=True)
for line in sys.stdin:
    print(json.dumps(obey(store, json.loads(line))), flush=True)
os._exit(0)
