# An HTTP server that says what it saw, and answers in every way that servers do.
import gzip, hashlib, json, os, socketserver, subprocess, zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CUSTOMER = json.dumps({
    "name": "Ada", "email": "ada@example.com", "card": "4111111111111111",
    "note": "call ada@example.com about 4111 1111 1111 1111",
    "token": "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8", "id": 42,
}).encode()


def stored_brotli(data):
    # RFC 7932 section 9.2: one uncompressed meta-block, then the empty last one.
    head = (len(data) - 1) << 4 | 1 << 20
    return head.to_bytes(3, "little") + data + b"\x03"


CODINGS = {
    "identity": lambda data: data,
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "deflate": zlib.compress,
    "br": stored_brotli,
    "zstd": lambda data: subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout,
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            data = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return data
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, body, fields=(), status=200, pieces=0):
        self.send_response_only(status)
        for name, value in fields:
            self.send_header(name, value)
        if pieces:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if not pieces:
            self.wfile.write(body)
            return
        for i in range(0, len(body), pieces):
            piece = body[i:i + pieces]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def echo(self):
        body = self.body()
        seen = sorted((name.lower(), value) for name, value in self.headers.items())
        lines = [f"{self.command} {self.path} {self.request_version}"]
        lines += [f"{name}: {value}" for name, value in seen]
        lines.append(f"{len(body)} bytes {hashlib.sha256(body).hexdigest()}\n")
        self.answer("\n".join(lines).encode(), [("Content-Type", "text/plain"), ("X-Two", "1"), ("X-Two", "2")])

    def customer(self, coding="identity", pieces="0"):
        fields = [("Content-Type", "application/json"), ("X-Contact", "ada@example.com")]
        if coding != "identity":
            fields.append(("Content-Encoding", coding))
        self.answer(CODINGS[coding](CUSTOMER), fields, pieces=int(pieces))

    def broken(self, how):
        json_type = [("Content-Type", "application/json")]
        match how:
            case "gzip":
                self.answer(b"this is no gzip ada@example.com", json_type + [("Content-Encoding", "gzip")])
            case "coding":
                self.answer(b"ada@example.com", json_type + [("Content-Encoding", "compress")])
            case "bomb":
                self.answer(gzip.compress(b" " * (1 << 28)), json_type + [("Content-Encoding", "gzip")])
            case "early":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
                self.close_connection = True
            case "nonsense":
                self.wfile.write(b"hello there\r\n\r\n")
                self.close_connection = True
            case "nothing":
                self.close_connection = True
            case "smuggle":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
                self.close_connection = True

    def tunnel(self):
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        while data := self.connection.recv(4096):
            self.connection.sendall(data.swapcase())
        self.close_connection = True

    def git(self):
        path, _, query = self.path.partition("?")
        body = self.body()
        env = dict(os.environ, GIT_PROJECT_ROOT=os.path.dirname(os.path.abspath(__file__)), GIT_HTTP_EXPORT_ALL="1",
                   PATH_INFO=path, QUERY_STRING=query, REQUEST_METHOD=self.command, REMOTE_USER="ci", REMOTE_ADDR=HOST,
                   CONTENT_TYPE=self.headers.get("Content-Type", ""), CONTENT_LENGTH=str(len(body)),
                   HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""),
                   GIT_PROTOCOL=self.headers.get("Git-Protocol", ""))
        done = subprocess.run(["git", "http-backend"], input=body, stdout=subprocess.PIPE, env=env)
        head, _, answer = done.stdout.partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = next((int(value.split()[0]) for name, value in fields if name == "Status"), 200)
        self.answer(answer, [f for f in fields if f[0] != "Status"], status, pieces=4000)

    def do(self):
        parts = self.path.partition("?")[0].strip("/").split("/")
        match parts:
            case ["open", "customer", *how]:
                self.customer(*how)
            case ["open", "broken", how]:
                self.broken(how)
            case ["open", "ws"]:
                self.tunnel()
            case ["repo.git", *_]:
                self.git()
            case _:
                self.echo()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do


ThreadingHTTPServer.daemon_threads = True
ThreadingHTTPServer((HOST, PORT), Handler).serve_forever()
