# SPDX-License-Identifier: Apache-2.0
"""Tokens, JSON Web Tokens and protected mode."""
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from lib import sdp
from lib.signaling import Session

HS_SECRET = "a-secret-of-at-least-thirty-two-bytes!"


def pem(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM,
        serialization.PublicFormat.SubjectPublicKeyInfo)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


class Issuer:
    def __init__(self, algorithm, directory):
        self.algorithm = algorithm
        self.path = str(directory / f"{algorithm}.key")
        if algorithm == "HS256":
            self.key, public = HS_SECRET, HS_SECRET.encode()
        elif algorithm == "RS256":
            self.key = rsa.generate_private_key(65537, 2048)
            public = pem(self.key)
        else:
            self.key = ec.generate_private_key(ec.SECP256R1())
            public = pem(self.key)
        self.public = public
        with open(self.path, "wb") as file:
            file.write(public)

    def token(self, key=None, algorithm=None, **claims):
        claims = {"stream": "live", "action": "publish",
                  "exp": int(time.time()) + 600, **claims}
        claims = {k: v for k, v in claims.items() if v is not None}
        return jwt.encode(claims, key or self.key,
                          algorithm or self.algorithm)


@pytest.fixture(scope="module", params=["HS256", "RS256", "ES256"])
def issued(request, module_world, tmp_path_factory):
    issuer = Issuer(request.param, tmp_path_factory.mktemp("keys"))
    return issuer, module_world.node("--jwt-key", issuer.path)


def publish(node, token, stream="live"):
    session = Session(node, f"/whip/{stream}", headers=bearer(token))
    if session.url:
        session.delete()
    return session.reply


def test_jwt_of_the_stream(issued):
    issuer, node = issued
    assert publish(node, issuer.token()).status == 201
    assert publish(node, issuer.token(stream="*"), "any").status == 201


@pytest.mark.parametrize("claims,status", [
    ({"stream": "other"}, 403), ({"action": "watch"}, 403),
    ({"exp": 1}, 401), ({"exp": None}, 401), ({"stream": None}, 403),
    ({"action": None}, 403), ({"nbf": 4000000000}, 401)])
def test_jwt_that_does_not_fit(issued, claims, status):
    issuer, node = issued
    publish(node, issuer.token(**claims)).assert_problem(status)


def test_jwt_actions(issued):
    """A watch token opens WHEP (409: nobody publishes) and not WHIP."""
    issuer, node = issued
    watch = bearer(issuer.token(action="watch"))
    assert node.post_sdp("/whep/live", sdp.watch_offer(),
                         watch).status == 409
    node.post_sdp("/whep/live", sdp.watch_offer(),
                  bearer(issuer.token())).assert_problem(401, 403)
    assert node.request("/debug/state", headers=bearer(
        issuer.token(action="admin", stream="*"))).status == 200
    node.request("/debug/state",
                 headers=watch).assert_problem(401, 403)


def b64(data):
    import base64
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_jwt_forgeries(issued):
    issuer, node = issued
    good = issuer.token()
    head, body, signature = good.split(".")
    none = b64(b'{"alg":"none","typ":"JWT"}')
    forged = [f"{none}.{body}.", f"{none}.{body}.{signature}",
              f"{head}.{body}.", f"{head}.{body}",
              f"{head}.{body}.{signature[:-4]}AAAA", "x", "...", "a.b.c",
              good + "x" * 20000]
    for token in forged:
        publish(node, token).assert_problem(400, 401, 403)
    if issuer.algorithm != "HS256":
        # the public key taken for an HMAC secret
        import hashlib
        import hmac
        head = b64(b'{"alg":"HS256","typ":"JWT"}')
        mac = hmac.new(issuer.public, f"{head}.{body}".encode(),
                       hashlib.sha256).digest()
        publish(node, f"{head}.{body}.{b64(mac)}").assert_problem(401)
    other = rsa.generate_private_key(65537, 2048)
    publish(node, issuer.token(key=other, algorithm="RS256")
            ).assert_problem(401)
    node.assert_alive()


def test_static_tokens_are_apart(world):
    node = world.node("--whip-token", "p", "--whep-token", "w",
                      "--admin-token", "a", "--metrics-token", "m")
    assert Session(node, "/whip/live", headers=bearer("p")).reply.status == 201
    for wrong in ("w", "a", "m", "", "p "[:1] + "x"):
        publish(node, wrong).assert_problem(401)
    assert node.post_sdp("/whep/live", sdp.watch_offer(),
                         bearer("w")).status == 409
    for path, right in (("/metrics", "m"), ("/debug/state", "a")):
        assert node.request(path, headers=bearer(right)).status == 200
        node.request(path).assert_problem(401)
        node.request(path, headers=bearer("p")).assert_problem(401, 403)
    refused = node.metrics(bearer("m")).total("media_tree_auth_refused_total")
    assert refused >= 9, "refusals are counted"


def test_token_from_file_and_environment(world, tmp_path):
    (tmp_path / "token").write_text("from-file\n")
    node = world.node("--whip-token-file", str(tmp_path / "token"),
                      env={"MEDIA_TREE_WHEP_TOKEN": "from-env"})
    assert publish(node, "from-file").status == 201
    publish(node, "from-env").assert_problem(401)
    assert node.post_sdp("/whep/live", sdp.watch_offer(),
                         bearer("from-env")).status == 409


def test_secrets_are_not_logged(world):
    node = world.node("--whip-token", "s3cr3t-token", "--log-level", "log",
                      "--ice-servers", "turn:u:s3cr3t-turn@t.example.org")
    session = Session(node, "/whip/live",
                      headers=bearer("s3cr3t-token")).expect(201)
    publish(node, "s3cr3t-wrong")
    log = node.read_log()
    assert "s3cr3t" not in log
    assert session.answer.get("ice-pwd") not in log
    assert session.pwd not in log


# --- protected mode: no secret, so this machine's own clients only ---------

SPOOFS = {
    "host": dict(host="node.example.org"),
    "host-rebinding": dict(host="attacker.example.org:7070"),
    "forwarded-for": dict(headers={"X-Forwarded-For": "203.0.113.9"}),
    "forwarded-for-loopback": dict(headers={"X-Forwarded-For": "127.0.0.1"}),
    "forwarded": dict(headers={"Forwarded": "for=203.0.113.9"}),
    "origin": dict(headers={"Origin": "https://attacker.example.org"}),
    "origin-null": dict(headers={"Origin": "null"}),
}


@pytest.fixture(scope="module")
def protected(module_world):
    return module_world.node()


@pytest.mark.parametrize("path", ["/whip/live", "/whep/live", "/debug/state",
                                  "/metrics", "/api/streams"])
@pytest.mark.parametrize("spoof", SPOOFS)
def test_protected_mode_refuses(protected, path, spoof):
    how = dict(SPOOFS[spoof])
    headers = how.pop("headers", {})
    if path.startswith("/wh"):
        reply = protected.request(
            path, "POST", sdp.publish_offer(),
            {"Content-Type": "application/sdp", **headers}, **how)
    else:
        reply = protected.request(path, headers=headers, **how)
    reply.assert_problem(403, code="protected-mode")


def test_protected_mode_serves_this_machine(protected):
    for headers in ({}, {"Origin": protected.url}):
        session = Session(protected, "/whip/live", headers=headers).expect(201)
        session.delete()
    for host in ("localhost", "127.0.0.1", "[::1]"):
        assert protected.request(
            "/metrics", host=f"{host}:{protected.http_port}").status == 200


def test_insecure_opens(world):
    node = world.node("--insecure")
    headers = {"X-Forwarded-For": "203.0.113.9",
               "Origin": "https://page.example.org"}
    Session(node, "/whip/live", headers=headers).expect(201)


def test_a_token_opens_its_surface_only(world):
    """With a WHIP token set, WHEP is still in protected mode."""
    node = world.node("--whip-token", "p")
    far = {"X-Forwarded-For": "203.0.113.9"}
    Session(node, "/whip/live", headers={**far, **bearer("p")}).expect(201)
    node.post_sdp("/whep/live", sdp.watch_offer(), far).assert_problem(403)
