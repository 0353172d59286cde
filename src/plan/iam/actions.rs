//! From a request that was refused to the right that is missing.

/// The actions that allow an S3 operation, by its name, for a message.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>
#[must_use]
pub fn actions_of(operation: &str) -> Option<&'static str> {
    Some(match operation {
        // Without the right to list, what is missing looks like what is forbidden.
        "GetObject" | "HeadObject" => "s3:GetObject, s3:GetObjectVersion and s3:ListBucket",
        "PutObject" | "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" => {
            "s3:PutObject"
        }
        "UploadPartCopy" => {
            "s3:PutObject, and for what it copies s3:GetObject and s3:GetObjectVersion"
        }
        "AbortMultipartUpload" => "s3:AbortMultipartUpload",
        "DeleteObject" | "DeleteObjects" => "s3:DeleteObject",
        "ListObjectsV2" => "s3:ListBucket",
        "CreateBucket" => {
            "s3:CreateBucket, and for one with a lock s3:PutBucketObjectLockConfiguration and \
             s3:PutBucketVersioning"
        }
        "GetBucketVersioning" => "s3:GetBucketVersioning",
        "PutBucketVersioning" => "s3:PutBucketVersioning",
        "GetBucketLifecycleConfiguration" => "s3:GetLifecycleConfiguration",
        "PutBucketLifecycleConfiguration" => "s3:PutLifecycleConfiguration",
        "GetPublicAccessBlock" => "s3:GetBucketPublicAccessBlock",
        "PutPublicAccessBlock" => "s3:PutBucketPublicAccessBlock",
        "GetBucketEncryption" => "s3:GetEncryptionConfiguration",
        "PutBucketEncryption" => "s3:PutEncryptionConfiguration",
        "GetBucketPolicy" => "s3:GetBucketPolicy",
        "PutBucketPolicy" => "s3:PutBucketPolicy",
        "GetObjectLockConfiguration" => "s3:GetBucketObjectLockConfiguration",
        "PutObjectLockConfiguration" => "s3:PutBucketObjectLockConfiguration",
        "GetBucketAccelerateConfiguration" => "s3:GetAccelerateConfiguration",
        "PutBucketAccelerateConfiguration" => "s3:PutAccelerateConfiguration",
        "GetBucketReplication" => "s3:GetReplicationConfiguration",
        "PutBucketReplication" => "s3:PutReplicationConfiguration and iam:PassRole",
        "GetBucketNotificationConfiguration" => "s3:GetBucketNotification",
        "PutBucketNotificationConfiguration" => "s3:PutBucketNotification",
        _ => return None,
    })
}
