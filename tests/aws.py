#!/usr/bin/env python3
"""Deploys the templates of deploy/aws on moto and holds them against the program.

aws.py BACKSTAY
"""

import copy
import json
import re
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import boto3
import yaml
from moto.s3.models import s3_backends

from aws_stack import ACCOUNT, TEMPLATES, Stack, server

BACKSTAY = sys.argv[1]
REGION = "eu-south-1"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.eks.{REGION}.amazonaws.com/id/A1"
KINDS = ("documents", "photos", "database")

OFFICE = {"ClusterName": "prod", "Namespace": "acme", "Policy": "office", "Source": "files"}
CLAIM = {"name": "files", "persistentVolumeClaim": {"claimName": "office-files"}}
BUCKET = {"name": "files", "bucket": {"name": "acme-uploads", "prefix": "incoming/"}}

# What goes with the stack would take the backups along.
KEPT = {"AWS::S3::Bucket", "AWS::KMS::Key"}

# What a stolen worker must not be able to do.
NEVER = re.compile(r"\*|:Delete.*Version|:Put(?!Object$)|Bypass|:Create|^iam:|^kms:(Put|Schedule|Disable)")


def main():
    with tempfile.TemporaryDirectory() as directory, server(directory) as endpoint:
        copies = Stack("replica.yaml", "eu-west-1", Name="acme-large", SourceAccount="210987654321")
        least = Stack("backup.yaml", REGION, Name="acme-small", **OFFICE)
        example = Stack(
            "backup.yaml",
            REGION,
            Name="acme-backup",
            OidcProviderArn=PROVIDER,
            NotifyEmail="office@acme.example",
            **OFFICE,
        )
        most = Stack("backup.yaml", REGION, **everything(copies), **OFFICE)
        check_conditions(least, most)
        check_what_stays(most)
        check_replica(copies)
        for stack in (least, example, most):
            check_buckets(stack)
        check_example(example)
        check_rights(least, policy(least, on_host("/srv")))
        check_rights(example, policy(example, CLAIM))
        check_rights(most, policy(most, told_by_queue(most)))
        check_roles(most)
        check_topic(example)
        check_queue(most, endpoint)
        check_endpoint(most)
        check_trail(most)
        check_settings(least, endpoint)
        check_settings(example, endpoint)
        check_replication(most, endpoint)
        check_backup(example, endpoint, Path(directory) / "files")


def everything(copies):
    ec2 = boto3.client("ec2", region_name=REGION)
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    return {
        "Name": "acme-large",
        "KeepDays": "365",
        "NotifyEmail": "office@acme.example",
        "ReplicaKeyArn": copies.outputs["ReplicaKeyArn"],
        "OidcProviderArn": PROVIDER,
        "EksClusterName": "office",
        "PlainUser": "true",
        "SourceBucket": BUCKET["bucket"]["name"],
        "SourcePrefix": BUCKET["bucket"]["prefix"],
        "VpcId": vpc,
        "RouteTableIds": ",".join(table["RouteTableId"] for table in tables),
        "AuditTrail": "true",
    }


def policy(stack, *sources):
    """The policy of whoever copies what the stack prints."""
    return {
        "apiVersion": "backstay.dev/v1alpha1",
        "kind": "BackupPolicy",
        "metadata": {"name": "office", "namespace": "acme"},
        "spec": {
            "schedule": "@daily",
            "sources": list(sources),
            **yaml.safe_load(stack.outputs["PolicyLines"]),
        },
    }


def told_by_queue(stack):
    source = copy.deepcopy(BUCKET)
    source["bucket"]["events"] = {"queueUrl": stack.outputs["QueueUrl"]}
    return source


def on_host(root):
    return {"name": "files", "path": {"directory": str(root)}}


def at_moto(policy, endpoint):
    policy = copy.deepcopy(policy)
    policy["spec"]["storage"]["endpoint"] = endpoint
    policy["spec"]["notifications"]["sns"]["endpoint"] = endpoint
    return policy


def backstay(policy, *arguments):
    """The exit code and what was said, on standard output and on standard error."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(policy, file)
        file.flush()
        command = [*arguments, "--policy", file.name, "--cluster-name", "prod", "--log-level", "error"]
        done = subprocess.run([BACKSTAY, *command], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def printed(policy, who, *arguments):
    code, out, err = backstay(policy, "iam-policy", "--for", who, *arguments)
    assert code == 0, err
    return json.loads(out)


def normal(document):
    """Statements by their name, with lists in any order."""
    statements = copy.deepcopy(document["Statement"])
    for one in statements:
        for field in ("Action", "Resource"):
            one[field] = sorted(one[field])
    assert document["Version"] == "2012-10-17"
    return {one.pop("Sid"): one for one in statements}


def check_conditions(least, most):
    template = least.template["Resources"]
    always = {name for name, resource in template.items() if "Condition" not in resource}
    assert least.resources.keys() == always, least.resources.keys() ^ always
    assert most.resources.keys() == template.keys(), most.resources.keys() ^ template.keys()
    told(f"{len(always)} resources without options, {len(template)} with all of them")


def check_what_stays(stack):
    for name, resource in stack.template["Resources"].items():
        stays = resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")
        assert resource["Type"] not in KEPT or stays == ("Retain", "Retain"), name


def check_buckets(stack):
    s3 = stack.client("s3")
    buckets = [one["BucketName"] for one in stack.of_type("AWS::S3::Bucket")]
    for bucket in buckets:
        check_bucket(s3, bucket, stack.outputs["KeyArn"], is_trail=bucket.endswith("-trail"))


def check_bucket(s3, bucket, key, is_trail=False):
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    blocks = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert len(blocks) == 4 and all(blocks.values()), blocks
    encryption = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
    default = encryption["Rules"][0]["ApplyServerSideEncryptionByDefault"]
    assert default.get("KMSMasterKeyID") == (None if is_trail else key), default
    statements = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert any("aws:SecureTransport" in str(one) and one["Effect"] == "Deny" for one in statements)
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert is_trail or any("NoncurrentVersionExpiration" in rule for rule in rules), rules


def check_replica(stack):
    key = stack.outputs["ReplicaKeyArn"]
    assert ":eu-west-1:" in key, key
    for kind in KINDS:
        bucket = f"acme-large-{kind}-replica"
        check_bucket(stack.client("s3"), bucket, key)
        statements = json.loads(stack.client("s3").get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
        assert "arn:aws:iam::210987654321:root" in str(statements), statements
    told("the replica's buckets exist in another region, and may be written from another account")


def check_example(stack):
    """The example is the policy for the stack that the page deploys."""
    lines = textwrap.indent(stack.outputs["PolicyLines"], "  ")
    example = (TEMPLATES / "policy.yaml").read_text()
    key = re.compile("key/[0-9a-f-]{36}")
    assert key.sub("key", lines) in key.sub("key", example), f"policy.yaml differs from:\n{lines}"


def check_rights(stack, policy):
    iam = stack.client("iam")
    for who in ("worker", "restore", "setup", "notify"):
        arn = stack.outputs[f"{who.capitalize()}Rights"]
        document = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"]
        rights = normal(document)
        if who == "worker" and "QueueUrl" in stack.outputs:
            who = "events"
        assert rights == normal(printed(policy, who)), f"{who}: iam-policy prints other rights than {arn}"
        actions = [action for one in rights.values() for action in one["Action"]]
        assert who == "setup" or not any(map(NEVER.search, actions)), actions
    told(f"{stack.name}: four sets of rights, as iam-policy prints them")


def check_roles(stack):
    iam = stack.client("iam")
    uploads = told_by_queue(stack)
    uploads["name"] = "uploads"
    claim = policy(stack, CLAIM, uploads)
    for who in ("Worker", "Setup"):
        rights = stack.outputs[f"{who}Rights"]
        for kind, trust in (
            ("IrsaRole", ("--trust", "irsa", "--oidc-provider", PROVIDER)),
            ("PodRole", ("--trust", "pod-identity")),
        ):
            role = stack.name_of(f"{who}{kind}")
            document = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
            assert document == printed(claim, who.lower(), *trust), document
            attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
            assert [one["PolicyArn"] for one in attached] == [rights], attached
    user = stack.outputs["WorkerUserName"]
    attached = iam.list_attached_user_policies(UserName=user)["AttachedPolicies"]
    assert [one["PolicyArn"] for one in attached] == [stack.outputs["WorkerRights"]], attached
    assert not iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
    associations = stack.of_type("AWS::EKS::PodIdentityAssociation")
    assert {one["ServiceAccount"] for one in associations} == {"backup", "backup-setup"}
    told("four roles for the ServiceAccounts that iam-policy trusts, and a user without keys")


def check_topic(stack):
    sns = stack.client("sns")
    topic = stack.outputs["TopicArn"]
    [statement] = json.loads(sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"])["Statement"]
    assert statement["Effect"] == "Deny" and "aws:SecureTransport" in str(statement), statement
    [mail] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (mail["Protocol"], mail["Endpoint"]) == ("email", "office@acme.example"), mail
    key = stack.client("kms").get_key_rotation_status(KeyId=stack.outputs["KeyArn"])
    assert key["KeyRotationEnabled"], key


def queue_arn(stack):
    return stack.outputs["TopicArn"].replace(":sns:", ":sqs:").replace("-notices", "-events")


def check_queue(stack, endpoint):
    sqs = stack.client("sqs")
    url = stack.outputs["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    redrive = json.loads(attributes["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"] == queue_arn(stack) + "-dead", redrive
    [statement] = json.loads(attributes["Policy"])["Statement"]
    assert statement["Condition"] == {
        "ArnEquals": {"aws:SourceArn": "arn:aws:s3:::acme-uploads"},
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
    }, statement
    s3 = stack.client("s3")
    s3.create_bucket(
        Bucket="acme-uploads", CreateBucketConfiguration={"LocationConstraint": stack.region}
    )
    asked = at_moto(policy(stack, told_by_queue(stack)), endpoint)
    asked["spec"]["bucketSettings"] = {"sourceEvents": True}
    code, out, err = backstay(asked, "bucket", "apply", "--yes")
    assert code == 0, out + err
    s3.put_object(Bucket="acme-uploads", Key="incoming/letter.txt", Body=b"a letter")
    assert any("letter.txt" in message for message in received(sqs, url))
    told("the queue is told of an upload to the source, once `backstay bucket apply` has set that up")


def received(sqs, url):
    messages = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5, MessageAttributeNames=["All"]
    )
    return [message["Body"] for message in messages.get("Messages", [])]


def check_endpoint(stack):
    [endpoint] = [
        one
        for one in stack.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
        if one["ServiceName"] == f"com.amazonaws.{REGION}.s3"
    ]
    assert endpoint["VpcEndpointType"] == "Gateway" and endpoint["RouteTableIds"], endpoint
    [properties] = stack.of_type("AWS::EC2::VPCEndpoint")
    own = properties["PolicyDocument"]["Statement"][0]
    assert own["Condition"] == {"StringEquals": {"aws:ResourceAccount": ACCOUNT}}, own


def check_trail(stack):
    selectors = stack.client("cloudtrail").get_event_selectors(TrailName="acme-large")["EventSelectors"]
    [resources] = selectors[0]["DataResources"]
    assert sorted(resources["Values"]) == sorted(f"arn:aws:s3:::acme-large-{kind}/" for kind in KINDS)


def check_settings(stack, endpoint):
    code, out, err = backstay(at_moto(policy(stack, on_host("/srv")), endpoint), "bucket", "check")
    assert code == 0 and "3 buckets: as the policy wants" in out, out + err
    told(f"{stack.name}: {out.splitlines()[-1]}")


def check_replication(stack, endpoint):
    """Moto does not give back all that it is told of replication: what is put is compared."""
    asked = at_moto(policy(stack, told_by_queue(stack)), endpoint)
    code, out, err = backstay(asked, "bucket", "check", "--output", "json")
    assert code == 4, out + err
    found = [(one["setting"], one["verdict"]) for one in settings(out)]
    differing = [setting for setting, verdict in found if verdict != "AlreadyThere"]
    assert differing == ["replication"] * len(KINDS), found
    of_template = replication("documents")
    for kind in KINDS:
        assert replication(kind) == of_template.replace("documents", kind), kind
    # One is enough: what is read back differs, so that each takes four seconds.
    asked["spec"]["categories"] = asked["spec"]["categories"][-1:]
    backstay(asked, "bucket", "apply", "--yes")
    assert replication("documents") == of_template, replication("documents") + of_template
    told("replication is what `backstay bucket apply` makes of the same lines")


def settings(out):
    return [one for bucket in json.loads(out)["buckets"] for one in bucket["settings"]]


def replication(kind):
    document = s3_backends[ACCOUNT]["aws"].get_bucket(f"acme-large-{kind}").replication
    return json.dumps({name: value for name, value in document.items() if name != "@xmlns"}, sort_keys=True)


def check_backup(stack, endpoint, root):
    sqs = stack.client("sqs")
    url = sqs.create_queue(QueueName="notices-of-a-test")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    stack.client("sns").subscribe(TopicArn=stack.outputs["TopicArn"], Protocol="sqs", Endpoint=arn)
    root.mkdir()
    for name in ("letter.txt", "photo.jpg", "table.csv"):
        (root / name).write_text(f"the content of {name}")
    # Moto refuses what a statement denies, and does not look at its condition.
    for kind in KINDS:
        stack.client("s3").delete_bucket_policy(Bucket=f"acme-backup-{kind}")
    code, out, err = backstay(at_moto(policy(stack, on_host(root)), endpoint), "backup")
    assert code == 0, out + err
    for kind, name in zip(KINDS, ("letter.txt", "photo.jpg", "table.csv")):
        got = stack.client("s3").get_object(
            Bucket=f"acme-backup-{kind}", Key=f"data/acme/office/files/{name}"
        )
        assert got["SSEKMSKeyId"] == stack.outputs["KeyArn"] and got["VersionId"], got
    [notice] = received(sqs, url)
    assert json.loads(notice)["Subject"], notice
    told("a backup of three files into three buckets, and its notice: " + json.loads(notice)["Subject"])


def told(line):
    print(f"aws: {line}")


if __name__ == "__main__":
    main()
