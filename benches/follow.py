#!/usr/bin/env python3
"""A queue of 100,000 messages is followed: how long it takes, and how much memory.

  eval "$(tests/cluster/stores env)"
  benches/follow.py BACKSTAY [MESSAGES] [KEYS]    # the binary; needs boto3, as moto brings it along

The queue is a server in this process that knows the three requests of a follower, because moto takes minutes
for some thousand messages. Buckets and objects are MinIO's. Each key is told of several times.
"""
import collections
import concurrent.futures
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid

import boto3

BACKSTAY = os.path.abspath(sys.argv[1])
MESSAGES = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
KEYS = int(sys.argv[3]) if len(sys.argv) > 3 else 10_000
SOURCE, TARGET = (f"{name}-{uuid.uuid4().hex[:8]}" for name in ("queue-in", "queue-out"))


def key(number):
    return f"in/{number % 100:02}/{number:06}.txt"


class Queue(http.server.BaseHTTPRequestHandler):
    """Gives each message out once, as soon as it is open, and forgets what is deleted."""

    protocol_version = "HTTP/1.1"
    lock = threading.Lock()
    waiting = collections.deque(range(MESSAGES))
    left = set(range(MESSAGES))
    asked = threading.Event()
    open = threading.Event()

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        action = self.headers["x-amz-target"].rpartition(".")[2]
        body = json.dumps(getattr(self, action)(asked)).encode()
        self.send_response(200)
        self.send_header("content-type", "application/x-amz-json-1.0")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def ReceiveMessage(self, asked):
        self.asked.set()
        with self.lock:
            count = min(10, len(self.waiting)) if self.open.is_set() else 0
            given = [self.waiting.popleft() for _ in range(count)]
        if not given:
            time.sleep(min(1, asked["WaitTimeSeconds"]))
        return {"Messages": [message(number) for number in given]}

    def DeleteMessageBatch(self, asked):
        with self.lock:
            self.left.difference_update(int(entry["ReceiptHandle"]) for entry in asked["Entries"])
        return {"Successful": [{"Id": entry["Id"]} for entry in asked["Entries"]], "Failed": []}

    def ChangeMessageVisibilityBatch(self, asked):
        return {"Successful": [{"Id": entry["Id"]} for entry in asked["Entries"]], "Failed": []}

    def log_message(self, *_):
        pass


def message(number):
    s3 = {"bucket": {"name": SOURCE}, "object": {"key": key(number % KEYS)}}
    body = json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": s3}]})
    return {"MessageId": str(number), "ReceiptHandle": str(number), "Body": body}


def main():
    endpoint = os.environ["BACKSTAY_MINIO_ENDPOINT"]
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    for bucket in (SOURCE, TARGET):
        s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=TARGET, VersioningConfiguration={"Status": "Enabled"})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Queue)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/123456789012/uploads"
    with tempfile.TemporaryDirectory() as directory:
        policy, log = os.path.join(directory, "policy.yaml"), os.path.join(directory, "log")
        with open(policy, "w", encoding="utf-8") as file:
            json.dump(policy_of(url, endpoint), file)
        command = [BACKSTAY, "follow", "--policy", policy, "--log-file", log, "--output", "json"]
        with open(os.path.join(directory, "out"), "w+", encoding="utf-8") as out:
            follower = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
            measure(s3, follower, out)
    server.shutdown()


def measure(s3, follower, out):
    # It begins with a whole run, of a bucket with nothing in it: all that comes is told by the queue.
    Queue.asked.wait()
    body = b"x" * 1000
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: s3.put_object(Bucket=SOURCE, Key=key(number), Body=body), range(KEYS)))
    started = time.monotonic()
    Queue.open.set()
    while Queue.left and follower.poll() is None:
        time.sleep(0.1)
    elapsed = time.monotonic() - started
    assert follower.poll() is None, "it ended"
    with open(f"/proc/{follower.pid}/status", encoding="utf-8") as status:
        peak = next(line for line in status if line.startswith("VmHWM")).split()[1]
    follower.terminate()
    follower.wait()
    out.seek(0)
    reports, decoder, text = [], json.JSONDecoder(), out.read().strip()
    while text:
        report, end = decoder.raw_decode(text)
        reports.append(report)
        text = text[end:].strip()
    uploaded = sum(report["files"]["uploaded"] for report in reports)
    print(f"{MESSAGES} messages of {KEYS} keys: {len(reports)} runs, {uploaded} uploaded, ", end="")
    print(f"{elapsed:.1f} s, peak {int(peak) // 1024} MiB")


def policy_of(url, endpoint):
    bucket = {"name": SOURCE, "prefix": "in/", "events": {"queueUrl": url}}
    return {
        "apiVersion": "backstay.dev/v1alpha1",
        "kind": "BackupPolicy",
        "metadata": {"name": "queue", "namespace": "acme"},
        "spec": {
            "schedule": "@daily",
            "sources": [{"name": "in", "bucket": bucket}],
            "categories": [{"name": "all", "bucket": TARGET}],
            "storage": {"region": "us-east-1", "endpoint": endpoint},
        },
    }


main()
