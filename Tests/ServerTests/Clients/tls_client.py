"""A client of TLS by command: `tls_client.py PORT AUTHORITY`, then a line each: a request with its line ends as \\r\\n,
`close` (says goodbye and closes), `goodbye` (says that it sends no more, and prints the first line of the answer)."""
import socket
import ssl
import sys

context = ssl.create_default_context(cafile=sys.argv[2])
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")


def step(action):
    """Does it once the bytes are there that it needs."""
    while True:
        try:
            result = action()
            connection.sendall(outgoing.read())
            return result
        except ssl.SSLWantReadError:
            connection.sendall(outgoing.read())
            incoming.write(connection.recv(65536))


def goodbye():
    try:
        tls.unwrap()
    except ssl.SSLWantReadError:
        pass
    connection.sendall(outgoing.read())


step(tls.do_handshake)
for line in sys.stdin:
    line = line.strip()
    if line == "close":
        goodbye()
        connection.close()
        break
    if line == "goodbye":
        goodbye()
        answer = b""
        while b"\r\n" not in answer:
            answer += step(lambda: tls.read(65536))
        print(answer.split(b"\r\n")[0].decode(), flush=True)
    else:
        step(lambda: tls.write(line.replace("\\r\\n", "\r\n").encode()))
