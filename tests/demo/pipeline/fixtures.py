#!/usr/bin/env python3
"""Reads what the tests need, with an ordinary client."""
import os
import socket

import psycopg

with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    for row in connection.execute("select holder, email, card, ssn from payments.cards order by id"):
        print("card:", *row)
try:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"exfil", ("127.9.9.9", 9999))
    print("udp: sent")
except PermissionError as error:
    print("udp:", error.strerror)
