# SPDX-License-Identifier: Apache-2.0
"""Certificates that a test makes for 127.0.0.1."""
import subprocess


def make_certificate(path, name):
    """key.pem and cert.pem in the directory @path."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
         f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", path / "key.pem", "-out", path / "cert.pem"],
        check=True, capture_output=True)
