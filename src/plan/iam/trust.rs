//! Who may assume a role: a ServiceAccount of a cluster, in the two ways that EKS has.

use serde_json::{Value, json};

/// What an OIDC provider's ARN has before its issuer.
const PROVIDER: &str = ":oidc-provider/";

/// The trust policy for IRSA; `None` where the provider's ARN is not one.
/// <https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html>
#[must_use]
pub fn irsa(provider_arn: &str, namespace: &str, service_account: &str) -> Option<Value> {
    let (account, issuer) = provider_arn.split_once(PROVIDER)?;
    if !account.starts_with("arn:") || issuer.is_empty() {
        return None;
    }
    Some(document(&json!({
        "Effect": "Allow",
        "Principal": {"Federated": provider_arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {
            format!("{issuer}:aud"): "sts.amazonaws.com",
            format!("{issuer}:sub"): format!("system:serviceaccount:{namespace}:{service_account}"),
        }},
    })))
}

/// The trust policy for EKS Pod Identity.
/// <https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html>
#[must_use]
pub fn pod_identity(namespace: &str, service_account: &str) -> Value {
    document(&json!({
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {"StringEquals": {
            "aws:RequestTag/kubernetes-namespace": namespace,
            "aws:RequestTag/kubernetes-service-account": service_account,
        }},
    }))
}

fn document(statement: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": [statement]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_for_one_service_account_of_one_namespace() {
        let provider =
            "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-south-1.amazonaws.com/id/A1";
        let trust = irsa(provider, "acme", "backup").expect("a provider");
        let condition = &trust["Statement"][0]["Condition"]["StringEquals"];
        assert_eq!(
            condition["oidc.eks.eu-south-1.amazonaws.com/id/A1:sub"],
            "system:serviceaccount:acme:backup"
        );
        assert_eq!(irsa("oidc.eks", "acme", "backup"), None);
        let trust = pod_identity("acme", "backup").to_string();
        assert!(
            trust.contains("kubernetes-service-account\":\"backup"),
            "{trust}"
        );
    }
}
