#!/usr/bin/env python3
"""Runs Backstay as users of MinIO who have just the rights that it prints, and then one fewer.

rights.py BACKSTAY
"""

import copy
import json
import os
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

from minio import Minio
from minio.credentials import StaticProvider
from minio.minioadmin import MinioAdmin

BACKSTAY = sys.argv[1]
ENDPOINT = os.environ["BACKSTAY_MINIO_ENDPOINT"]
KEYS = StaticProvider(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
ADDRESS = ENDPOINT.removeprefix("http://")
ADMIN = MinioAdmin(endpoint=ADDRESS, credentials=KEYS, secure=False)
OWNER = Minio(ADDRESS, credentials=KEYS, secure=False)
SECRET = "rights-of-a-test"

# What a run needs after another one died, or after an answer was lost: to give an upload up, and to
# see whether a file is there already.
ONLY_IN_TROUBLE = {
    ("BackstayFiles", "s3:AbortMultipartUpload"),
    ("BackstayFiles", "s3:GetObject"),
    ("BackstayDestination", "s3:AbortMultipartUpload"),
    ("BackstayDestination", "s3:GetObject"),
}

# A restore, and what docs/restore.md adds to its rights for a bucket to restore into.
INTO_BUCKET = "restore into a bucket"
DESTINATION = [
    {
        "Sid": "BackstayDestination",
        "Effect": "Allow",
        "Action": ["s3:PutObject", "s3:AbortMultipartUpload", "s3:GetObject"],
        "Resource": ["arn:aws:s3:::{bucket}/restored/*"],
    },
    {
        "Sid": "BackstayDestinationBucket",
        "Effect": "Allow",
        "Action": ["s3:ListBucket"],
        "Resource": ["arn:aws:s3:::{bucket}"],
    },
]

# Without these a restore point is made all the same, and the run tells what is owed or unknown.
NOTED = {"s3:DeleteObject", "s3:GetLifecycleConfiguration"}

POLICY = """\
apiVersion: backstay.dev/v1alpha1
kind: BackupPolicy
metadata: {{name: office, namespace: acme}}
spec:
  schedule: "@daily"
  sources: [{{name: files, path: {{directory: {root}}}}}]
  categories:
    - {{name: photos, match: {{extensions: [jpg]}}, bucket: {name}-photos}}
    - {{name: documents, bucket: {name}-documents}}
  storage: {{region: us-east-1, endpoint: "{endpoint}"}}
  bucketSettings:
    create: true
    blockPublicAccess: false
    lifecycle: {{noncurrentExpirationDays: 30}}
    objectLock: {{mode: Governance, days: 1}}
"""


class User:
    """Someone with a policy of their own, until the end of a block."""

    def __init__(self, document):
        self.name = f"rights-{uuid.uuid4().hex[:12]}"
        self.document = document

    def __enter__(self):
        ADMIN.policy_add(self.name, policy=self.document)
        ADMIN.user_add(self.name, SECRET)
        ADMIN.policy_set(self.name, user=self.name)
        return self

    def __exit__(self, *_):
        ADMIN.user_remove(self.name)
        ADMIN.policy_remove(self.name)

    def run(self, *arguments):
        env = dict(os.environ, AWS_ACCESS_KEY_ID=self.name, AWS_SECRET_ACCESS_KEY=SECRET)
        return run(*arguments, env=env)


class Host:
    """A tree, a policy, and buckets that do not exist yet."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.root = self.directory / "files"
        self.policy = self.directory / "policy.yaml"
        name = f"rights-{uuid.uuid4().hex[:12]}"
        self.destination = f"{name}-restored"
        self.policy.write_text(POLICY.format(root=self.root, name=name, endpoint=ENDPOINT))
        (self.root / "letters").mkdir(parents=True)
        (self.root / "a.jpg").write_bytes(b"a photo")
        (self.root / "letters/b.txt").write_text("a letter")
        (self.root / "large.bin").write_bytes(os.urandom(40 * 1024 * 1024))

    def verb(self, *verb):
        return (*verb, "--cluster-name", "test", "--policy", str(self.policy))

    def rights(self, who):
        if who == INTO_BUCKET:
            document = self.rights("restore")
            document["Statement"] += copy.deepcopy(DESTINATION)
            for one in document["Statement"]:
                one["Resource"] = [arn.format(bucket=self.destination) for arn in one["Resource"]]
            return document
        code, out = run(*self.verb("iam-policy", "--for", who), env=os.environ, err=False)
        assert code == 0, out
        return json.loads(out)

    def set_up(self, user=None):
        verb = self.verb("bucket", "apply", "--yes")
        return user.run(*verb) if user else run(*verb, env=os.environ)

    def back_up(self, user):
        """A first run, and one that has something to overwrite and to hide."""
        code, out = user.run(*self.verb("backup"))
        (self.root / "a.jpg").write_bytes(b"another photo")
        (self.root / "letters/b.txt").unlink(missing_ok=True)
        again, more = user.run(*self.verb("backup"))
        return code or again, out + more

    def restore(self, user):
        with tempfile.TemporaryDirectory() as to:
            return user.run(*self.verb("restore"), "--to", to)

    def restore_into_bucket(self, user):
        to = f"s3://{self.destination}/restored"
        return user.run(*self.verb("restore"), "--to", to)


def run(*arguments, env, err=True):
    done = subprocess.run(
        [BACKSTAY, *arguments, "--log-level", "error"],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if err else subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def without(document, statement, action):
    fewer = copy.deepcopy(document)
    for one in fewer["Statement"]:
        if one["Sid"] == statement:
            one["Action"].remove(action)
    fewer["Statement"] = [one for one in fewer["Statement"] if one["Action"]]
    return fewer


def prepare_nothing(_):
    pass


def prepare_buckets(host):
    code, out = host.set_up()
    assert code == 0, out


def prepare_backup(host):
    prepare_buckets(host)
    with User(host.rights("worker")) as user:
        code, out = host.back_up(user)
        assert code == 0, out


def prepare_destination(host):
    prepare_backup(host)
    OWNER.make_bucket(host.destination)


def check(who, prepare, act):
    """All rights suffice; each that is taken away is named."""
    with tempfile.TemporaryDirectory() as directory:
        host = Host(directory)
        prepare(host)
        document = host.rights(who)
        with User(document) as user:
            code, out = act(host, user)
        assert code == 0, f"{who} with all its rights: {out}"
    count = 0
    for one in document["Statement"]:
        for action in one["Action"]:
            if (one["Sid"], action) not in ONLY_IN_TROUBLE:
                check_without(who, one["Sid"], action, prepare, act)
                count += 1
    print(f"rights: {who} passes with its rights, and each of {count} is named when it is missing")


def check_without(who, statement, action, prepare, act):
    with tempfile.TemporaryDirectory() as directory:
        host = Host(directory)
        prepare(host)
        with User(without(host.rights(who), statement, action)) as user:
            code, out = act(host, user)
    is_failure = code == 21 or (who.startswith("restore") and code == 3)
    is_told = action in out and (is_failure or (code == 0 and action in NOTED))
    assert is_told, f"{who} without {action} in {statement}: exit code {code}: {out}"


check("worker", prepare_buckets, Host.back_up)
check("restore", prepare_backup, Host.restore)
check(INTO_BUCKET, prepare_destination, Host.restore_into_bucket)
check("setup", prepare_nothing, Host.set_up)
