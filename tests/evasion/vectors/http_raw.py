"""Not a vector: says raw HTTP, and prints the status of each response.

`http_raw.py HOST PORT WORD CASE [NAME]`: with NAME, that name is resolved first, by the gate's own
resolver where there is one.
"""
import re

from way import *


def request(first, host="allowed.example.com", more="", body=""):
    return f"{first} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n{body}"


def smuggled(header, body):
    inner = request(f"GET /{WORD.decode()}")
    return request("POST /ok", more=header, body=body.replace("INNER", inner))


OK = request("GET /ok")
SECRET = WORD.decode()
CASES = {
    "plain": request(f"GET /ok?{SECRET}"),
    "other_host": request(f"GET /ok?{SECRET}", host="other.example.com"),
    "no_host": f"GET /ok?{SECRET} HTTP/1.1\r\n\r\n",
    "two_hosts": request(f"GET /ok?{SECRET}", more="Host: other.example.com\r\n"),
    "absolute_form": request(f"GET http://other.example.com/ok?{SECRET}"),
    "path": request(f"GET /{SECRET}"),
    "dots": request(f"GET /ok/../{SECRET}"),
    "cl_te": smuggled("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\nINNER"),
    "te_twice": smuggled("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\nINNER"),
    "te_odd": smuggled("Transfer-Encoding: xchunked\r\n", "0\r\n\r\nINNER"),
    "te_space": smuggled("Transfer-Encoding : chunked\r\n", "0\r\n\r\nINNER"),
    "cl_twice": smuggled("Content-Length: 0\r\nContent-Length: 900\r\n", "INNER"),
    "cl_sign": smuggled("Content-Length: +0\r\n", "INNER"),
    "folded": smuggled("X: y\r\n Transfer-Encoding: chunked\r\n", "0\r\n\r\nINNER"),
    "bare_lf": f"GET /ok HTTP/1.1\nHost: allowed.example.com\n\nGET /{SECRET} HTTP/1.1\nHost: allowed.example.com\n\n",
    "pipelined": OK + request(f"GET /{SECRET}"),
    "connect": request(f"CONNECT 127.9.9.9:1?{SECRET}"),
    "upgrade": request("GET /ok", more="Connection: upgrade\r\nUpgrade: websocket\r\n", body=f"\x81\x05{SECRET}"),
    "upgrade_h2c": request("GET /ok", more="Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n", body=f"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{SECRET}"),
    "h2_preface": f"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{SECRET}",
}


def resolve(name):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.settimeout(PATIENCE)
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    question = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0\0\x01\0\x01"
    udp.sendto(question, ("127.0.0.53", 53))
    answer = udp.recv(512)
    if answer[3] & 15 or not answer[7]:
        raise OSError(f"{name} was not resolved: rcode {answer[3] & 15}")


def way():
    if len(MORE) > 1:
        resolve(MORE[1])
    stream = socket.create_connection((HOST, PORT))
    stream.settimeout(3)
    stream.sendall(CASES[MORE[0]].encode("latin-1"))
    stream.shutdown(socket.SHUT_WR)
    answer = b""
    try:
        while part := stream.recv(4096):
            answer += part
    except (socket.timeout, ConnectionResetError):
        pass
    return " ".join(re.findall(r"HTTP/1\.1 (\d{3})", answer.decode("latin-1"))) or "none"


told(way)
