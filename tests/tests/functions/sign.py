"""Signs requests by AWS's own library, at the time that they tell, and prints its signature beside that of each."""

import json
import sys

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

told = json.load(sys.stdin)
credentials = Credentials(told["access_key"], told["secret_key"], told["token"])
pairs = []
for asked in told["asked"]:
    # AWS4-HMAC-SHA256 Credential=<key>/<day>/<region>/<service>/aws4_request, SignedHeaders=<names>, Signature=<hex>
    parts = asked["headers"]["authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(",")
    parts = dict(part.strip().split("=", 1) for part in parts)
    key, day, region, service, _ = parts["Credential"].split("/")
    assert key == told["access_key"], key
    for needed in ("host", "x-amz-date", "x-amz-security-token", "x-amz-target"):
        assert needed in parts["SignedHeaders"].split(";"), needed
    assert asked["headers"]["x-amz-security-token"] == told["token"]
    headers = {name: asked["headers"][name] for name in parts["SignedHeaders"].split(";")}
    request = AWSRequest(asked["method"], asked["url"], headers=headers, data=asked["body"])
    request.context["timestamp"] = asked["headers"]["x-amz-date"]
    assert request.context["timestamp"].startswith(day)
    auth = SigV4Auth(credentials, service, region)
    canonical = auth.canonical_request(request)
    pairs.append([auth.signature(auth.string_to_sign(request, canonical), request), parts["Signature"]])
print(json.dumps(pairs))
