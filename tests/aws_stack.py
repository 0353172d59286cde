"""Stacks on moto, as complete as AWS makes them.

Moto's CloudFormation resolves what refers to what and makes most resources, but it leaves out settings
of buckets, policies of topics and queues, and who has which rights. Those are put by the template's own
properties through the services' API, so that what is read back is what the template says.
"""

import contextlib
import datetime
import ipaddress
import json
import logging
import os
import threading
import warnings
from pathlib import Path

import boto3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from moto.cloudformation import models, parsing
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

TEMPLATES = Path(__file__).parent.parent / "deploy" / "aws"
ACCOUNT = "123456789012"

# Longer templates can only be deployed through a bucket.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
TEMPLATE_MAX_BYTES = 51200

# What moto makes as the template says.
WHOLE = {
    "AWS::EC2::VPCEndpoint",
    "AWS::IAM::ManagedPolicy",
    "AWS::KMS::Alias",
    "AWS::KMS::Key",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
}

# What moto does not know at all, and cfn-lint does.
UNKNOWN = {"AWS::EKS::PodIdentityAssociation"}


@contextlib.contextmanager
def server(directory):
    """A moto of our own behind TLS, in this process; gives its address."""
    key, certificate = make_certificate(Path(directory))
    os.environ["AWS_CA_BUNDLE"] = os.environ["SSL_CERT_FILE"] = str(certificate)
    os.environ["AWS_ACCESS_KEY_ID"] = os.environ["AWS_SECRET_ACCESS_KEY"] = "aws-of-a-test"
    for noisy in ("werkzeug", "moto"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*not supported by moto's CloudFormation")
    app = DomainDispatcherApplication(create_backend_app)
    served = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=(certificate, key))
    endpoint = os.environ["AWS_ENDPOINT_URL"] = f"https://127.0.0.1:{served.port}"
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield endpoint
    served.shutdown()


def make_certificate(directory):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "moto")])
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    files = directory / "key.pem", directory / "certificate.pem"
    files[0].write_bytes(
        key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    files[1].write_bytes(certificate.public_bytes(pem))
    return files


def clean(value, resources, original=parsing.clean_json):
    """AWS leaves AWS::NoValue out of a list; moto leaves a None in it."""
    cleaned = original(value, resources)
    if isinstance(cleaned, list):
        return [item for item in cleaned if item is not None]
    return cleaned


parsing.clean_json = clean


class Stack:
    """A deployed template."""

    def __init__(self, template, region, **parameters):
        self.region = region
        self.name = parameters["Name"]
        text = (TEMPLATES / template).read_text()
        assert len(text) < TEMPLATE_MAX_BYTES, f"{template} is too long to be deployed from a file"
        name = f"{template.removesuffix('.yaml')}-{parameters['Name']}"
        cloudformation = self.client("cloudformation")
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=text,
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
            ],
            Capabilities=["CAPABILITY_IAM"],
        )
        stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        assert stack["StackStatus"] == "CREATE_COMPLETE", stack
        self.outputs = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}
        made = models.cloudformation_backends[ACCOUNT][region].get_stack(name)
        self.template, self._made = made.template_dict, made.resource_map
        self.resources = dict(self._resolved())
        for logical, (kind, properties) in self.resources.items():
            self._complete(logical, kind, properties)

    def client(self, service):
        return boto3.client(service, region_name=self.region)

    def name_of(self, logical):
        """What `Ref` gives."""
        return self._made[logical].physical_resource_id

    def of_type(self, kind):
        return [properties for one, properties in self.resources.values() if one == kind]

    def _resolved(self):
        for logical, resource in self.template["Resources"].items():
            condition = resource.get("Condition")
            if condition is None or self._made.lazy_condition_map[condition]:
                properties = parsing.clean_json(resource["Properties"], self._made)
                yield logical, (resource["Type"], properties)

    def _complete(self, logical, kind, properties):
        if kind in WHOLE | UNKNOWN:
            return
        COMPLETED[kind](self, logical, properties)


def complete_bucket(stack, _, properties):
    """Every property is put, or the test does not know it."""
    s3 = stack.client("s3")
    left = dict(properties)
    bucket = left.pop("BucketName")
    put = {
        "VersioningConfiguration": s3.put_bucket_versioning,
        "PublicAccessBlockConfiguration": s3.put_public_access_block,
        "OwnershipControls": s3.put_bucket_ownership_controls,
    }
    for name in put.keys() & left.keys():
        put[name](Bucket=bucket, **{name: left.pop(name)})
    rules = left.pop("BucketEncryption")["ServerSideEncryptionConfiguration"]
    default = "ServerSideEncryptionByDefault"
    rules = [renamed(rule, default, f"Apply{default}") for rule in rules]
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})
    rules = [lifecycle_rule(rule) for rule in left.pop("LifecycleConfiguration")["Rules"]]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    if replication := left.pop("ReplicationConfiguration", None):
        rules = [renamed(rule, "Id", "ID") for rule in replication["Rules"]]
        s3.put_bucket_replication(
            Bucket=bucket, ReplicationConfiguration={"Role": replication["Role"], "Rules": rules}
        )
    assert not left, f"nobody puts {left}"


def renamed(properties, old, new):
    return {new if name == old else name: value for name, value in properties.items()}


def lifecycle_rule(properties):
    left = renamed(properties, "Id", "ID")
    rule = {"Filter": {"Prefix": left.pop("Prefix", "")}}
    if left.pop("ExpiredObjectDeleteMarker", False):
        rule["Expiration"] = {"ExpiredObjectDeleteMarker": True}
    if days := left.pop("ExpirationInDays", None):
        rule["Expiration"] = {"Days": days}
    return rule | left


def complete_bucket_policy(stack, _, properties):
    document = json.dumps(properties["PolicyDocument"])
    stack.client("s3").put_bucket_policy(Bucket=properties["Bucket"], Policy=document)


def complete_role(stack, logical, properties):
    for arn in properties.get("ManagedPolicyArns", []):
        stack.client("iam").attach_role_policy(RoleName=stack.name_of(logical), PolicyArn=arn)


def complete_user(stack, logical, properties):
    for arn in properties["ManagedPolicyArns"]:
        stack.client("iam").attach_user_policy(UserName=stack.name_of(logical), PolicyArn=arn)


def complete_topic_policy(stack, _, properties):
    for topic in properties["Topics"]:
        stack.client("sns").set_topic_attributes(
            TopicArn=topic,
            AttributeName="Policy",
            AttributeValue=json.dumps(properties["PolicyDocument"]),
        )


def complete_subscription(stack, _, properties):
    stack.client("sns").subscribe(**properties)


def complete_queue_policy(stack, _, properties):
    for url in properties["Queues"]:
        stack.client("sqs").set_queue_attributes(
            QueueUrl=url, Attributes={"Policy": json.dumps(properties["PolicyDocument"])}
        )


def complete_trail(stack, _, properties):
    cloudtrail = stack.client("cloudtrail")
    left = renamed(properties, "TrailName", "Name")
    selectors = left.pop("EventSelectors")
    is_logging = left.pop("IsLogging")
    cloudtrail.create_trail(**left)
    cloudtrail.put_event_selectors(TrailName=left["Name"], EventSelectors=selectors)
    if is_logging:
        cloudtrail.start_logging(Name=left["Name"])


COMPLETED = {
    "AWS::CloudTrail::Trail": complete_trail,
    "AWS::IAM::Role": complete_role,
    "AWS::IAM::User": complete_user,
    "AWS::S3::Bucket": complete_bucket,
    "AWS::S3::BucketPolicy": complete_bucket_policy,
    "AWS::SNS::Subscription": complete_subscription,
    "AWS::SNS::TopicPolicy": complete_topic_policy,
    "AWS::SQS::QueuePolicy": complete_queue_policy,
}
