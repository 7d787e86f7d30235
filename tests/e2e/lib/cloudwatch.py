# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Amazon CloudWatch: PutMetricData by the Query protocol. Each
call's signature is computed again by botocore from what came, its form is held
against botocore's model of the service, and its limits are checked; what it
answers is scripted."""
import collections
import datetime
import gzip
import http.server
import re
import threading
import urllib.parse

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

MAX_BYTES = 1_000_000
MAX_DATA = 1000
MAX_VALUES = 150
MAX_DIMENSIONS = 30
CLOCK_SECONDS = 300


def input_shape(service, operation):
    model = ServiceModel(Loader().load_service_model(service, "service-2"),
                         service)
    return model.operation_model(operation).input_shape


def problems_of(params, shape):
    return ParamValidator().validate(params, shape).generate_report()


class Refused(Exception):
    def __init__(self, status, code, message=""):
        super().__init__(f"{code}: {message}")
        self.status, self.code, self.message = status, code, message


Datum = collections.namedtuple("Datum", "name dimensions unit time values")


def _unfold(pairs, shape):
    """The parameters as a client of botocore would give them: numbers of
    members become lists, texts the types of the shape."""
    tree = {}
    for name, value in pairs:
        node = tree
        *path, last = name.split(".")
        for part in path:
            node = node.setdefault(part, {})
        if last in node:
            raise Refused(400, "MalformedQueryString", f"{name} twice")
        node[last] = value
    return _typed(tree, shape, "")


def _typed(node, shape, path):
    if shape.type_name == "structure":
        unknown = set(node) - set(shape.members)
        if unknown:
            raise Refused(400, "UnknownParameter", f"{path} {unknown}")
        return {name: _typed(value, shape.members[name], f"{path}.{name}")
                for name, value in node.items()}
    if shape.type_name == "list":
        members = node.pop("member", {})
        if node or [*members] != [str(i + 1) for i in range(len(members))]:
            raise Refused(400, "MalformedQueryString", f"{path} {node}")
        return [_typed(value, shape.member, f"{path}[{number}]")
                for number, value in members.items()]
    if shape.type_name == "double":
        return float(node)
    if shape.type_name == "integer":
        return int(node)
    if shape.type_name == "timestamp":
        return datetime.datetime.strptime(
            node, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)
    return node


class CloudWatch:
    """answers: a list of "ok", "500", "throttle", "timeout", one a call, used
    up; then "ok"."""

    def __init__(self, access_key="AKIDEXAMPLE", secret_key="s3cr3t/+=",
                 token=None, region="eu-west-1"):
        self.credentials = Credentials(access_key, secret_key, token)
        self.region = region
        self.answers = []
        self.lock = threading.Lock()
        self.n_calls = collections.Counter()  # by what was answered
        self.refusals = []  # by us: bad signature, limits
        self.data = []      # accepted
        self.calls = []     # (n_data, n_bytes, is_gzip, access key) accepted
        self.is_over = threading.Event()
        self._shape = input_shape("cloudwatch", "PutMetricData")
        stand_in = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                stand_in._take(self)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       daemon=True)
        self.thread.start()

    def close(self):
        self.is_over.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    # What clients are told

    def _take(self, handler):
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        with self.lock:
            answer = self.answers.pop(0) if self.answers else "ok"
        try:
            self._check_signature(handler, body)
            if answer == "500":
                raise Refused(500, "InternalFailure", "by the script")
            if answer == "throttle":
                raise Refused(400, "Throttling", "Rate exceeded")
            if answer == "timeout":
                with self.lock:
                    self.n_calls["timeout"] += 1
                self.is_over.wait(60)
                handler.close_connection = True
                return
            accepted, size = self._read(handler, body)
        except Refused as refused:
            with self.lock:
                self.n_calls[refused.code] += 1
                if answer == "ok":
                    self.refusals.append(str(refused))
            self._answer(handler, refused.status,
                         "<ErrorResponse><Error><Type>Sender</Type>"
                         f"<Code>{refused.code}</Code><Message>"
                         f"{refused.message}</Message></Error></ErrorResponse>")
            return
        with self.lock:
            self.n_calls["ok"] += 1
            self.data += accepted
            self.calls.append((
                len(accepted), size,
                handler.headers.get("Content-Encoding") == "gzip"))
        self._answer(handler, 200, "<PutMetricDataResponse/>")

    @staticmethod
    def _answer(handler, status, text):
        handler.send_response(status)
        handler.send_header("Content-Type", "text/xml")
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text.encode())

    def _check_signature(self, handler, body):
        headers = {name.lower(): value
                   for name, value in handler.headers.items()}
        match = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/"
            r"aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?"
            r"Signature=([0-9a-f]{64})", headers.get("authorization", ""))
        if not match:
            raise Refused(403, "MissingAuthenticationToken")
        key, day, region, service, signed, signature = match.groups()
        if key != self.credentials.access_key \
                or headers.get("x-amz-security-token") \
                != self.credentials.token:
            raise Refused(403, "InvalidClientTokenId")
        stamp = headers.get("x-amz-date", "")
        when = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(
            tzinfo=datetime.timezone.utc)
        age = datetime.datetime.now(datetime.timezone.utc) - when
        if abs(age.total_seconds()) > CLOCK_SECONDS or stamp[:8] != day:
            raise Refused(400, "RequestExpired")
        needed = {"host", "x-amz-date"} | (
            {"x-amz-security-token"} & set(headers))
        names = signed.split(";")
        if not needed <= set(names) or (region, service) != (
                self.region, "monitoring"):
            raise Refused(403, "SignatureDoesNotMatch", "scope or headers")
        request = AWSRequest(
            handler.command, f"http://{headers['host']}{handler.path}",
            headers={name: headers[name] for name in names}, data=body)
        request.context["timestamp"] = stamp
        auth = SigV4Auth(self.credentials, service, region)
        expected = auth.signature(auth.string_to_sign(
            request, auth.canonical_request(request)), request)
        if expected != signature:
            raise Refused(403, "SignatureDoesNotMatch",
                          "The request signature we calculated does not match")

    def _read(self, handler, body):
        """What a call has; its size before gzip"""
        if handler.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if len(body) > MAX_BYTES:
            raise Refused(413, "RequestEntityTooLarge")
        pairs = urllib.parse.parse_qsl(body.decode("ascii"),
                                       keep_blank_values=True,
                                       strict_parsing=True)
        asked = dict(pairs[:2])
        if asked != {"Action": "PutMetricData", "Version": "2010-08-01"}:
            raise Refused(400, "InvalidAction", str(asked))
        params = _unfold(pairs[2:], self._shape)
        report = problems_of(params, self._shape)
        if report:
            raise Refused(400, "ValidationError", report)
        data = params["MetricData"]
        if not 1 <= len(data) <= MAX_DATA:
            raise Refused(400, "ValidationError", f"{len(data)} data")
        return [self._datum(datum) for datum in data], len(body)

    @staticmethod
    def _datum(datum):
        dimensions = datum.get("Dimensions", [])
        values = datum.get("Values", [])
        counts = datum.get("Counts", [1] * len(values))
        if ("Value" in datum) == bool(values) or len(values) != len(counts) \
                or len(values) > MAX_VALUES or len(set(values)) < len(values):
            raise Refused(400, "InvalidParameterValue", str(datum)[:200])
        if len(dimensions) > MAX_DIMENSIONS \
                or len({d["Name"] for d in dimensions}) < len(dimensions):
            raise Refused(400, "InvalidParameterValue", "dimensions")
        for number in [*values, datum.get("Value", 0)]:
            if not abs(number) <= 2 ** 360:
                raise Refused(400, "InvalidParameterValue", str(number))
        for dimension in dimensions:
            if not re.fullmatch(r"[\x20-\x7e]{1,1024}", dimension["Value"]):
                raise Refused(400, "InvalidParameterValue", str(dimension))
        if "Value" in datum:
            values, counts = [datum["Value"]], [1]
        return Datum(datum["MetricName"],
                     frozenset((d["Name"], d["Value"]) for d in dimensions),
                     datum["Unit"], datum["Timestamp"],
                     list(zip(values, counts)))

    # What was accepted

    def find(self, name, **dimensions):
        """Data of that name with these dimensions, and maybe others"""
        wanted = set(dimensions.items())
        with self.lock:
            return [datum for datum in self.data
                    if datum.name == name and wanted <= datum.dimensions]

    def sum(self, name, **dimensions):
        return sum(value * count
                   for datum in self.find(name, **dimensions)
                   for value, count in datum.values)
