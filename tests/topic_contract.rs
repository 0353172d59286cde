//! What an SNS topic does with a notice, asked of moto, with an SQS queue as the subscriber; and
//! what its refusals become.

#[cfg(test)]
#[path = "contract/environment.rs"]
mod environment;
#[cfg(test)]
#[path = "contract/parrot.rs"]
mod parrot;
#[cfg(test)]
#[path = "contract/queues.rs"]
mod queues;

#[cfg(test)]
mod topic {
    use aws_sdk_sns::config::Region;
    use backstay::adapters::credentials::Credentials;
    use backstay::adapters::sns::{SnsError, SnsTopic};
    use backstay::api::policy;
    use backstay::plan::notice::{Attribute, Notice};
    use serde_json::{Value, json};

    use crate::environment::variable;
    use crate::parrot::{answer, parrot};
    use crate::queues::sqs;

    const REGION: &str = "eu-south-1";

    fn moto() -> String {
        variable("BACKSTAY_MOTO_ENDPOINT")
    }

    fn topic(arn: &str, endpoint: &str) -> SnsTopic {
        let topic = policy::SnsTopic {
            topic_arn: arn.to_owned(),
            endpoint: Some(endpoint.to_owned()),
            notices: vec![],
        };
        SnsTopic::new(&topic, &Credentials::Ambient).unwrap()
    }

    fn some_topic(endpoint: &str) -> SnsTopic {
        topic("arn:aws:sns:eu-south-1:123456789012:backups", endpoint)
    }

    fn notice() -> Notice {
        Notice {
            subject: "Backup of acme/office succeeded".to_owned(),
            body: "12 files uploaded, 3 skipped.\nNothing to do. Größe: 5 MiB & <more>".to_owned(),
            sms: "office succeeded".to_owned(),
            attributes: vec![
                ("outcome", Attribute::Text("Succeeded".to_owned())),
                ("filesFailed", Attribute::Number(7)),
            ],
        }
    }

    fn sns() -> aws_sdk_sns::Client {
        let config = aws_sdk_sns::Config::builder()
            .behavior_version_latest()
            .region(Region::new(REGION))
            .endpoint_url(moto())
            .credentials_provider(aws_sdk_sns::config::Credentials::new(
                "id", "key", None, None, "t",
            ))
            .build();
        aws_sdk_sns::Client::from_conf(config)
    }

    /// A topic, and a queue that gets what it is told; answers with the topic's ARN and the
    /// queue's URL.
    async fn subscribed() -> (String, String) {
        let name = format!("contract-{}", uuid::Uuid::new_v4().simple());
        let arn = sns()
            .create_topic()
            .name(&name)
            .send()
            .await
            .unwrap()
            .topic_arn
            .unwrap();
        let queue = sqs(REGION, "CreateQueue", json!({"QueueName": name})).await;
        let queue_arn = arn.replace(":sns:", ":sqs:");
        sns()
            .subscribe()
            .topic_arn(&arn)
            .protocol("sqs")
            .endpoint(queue_arn)
            .send()
            .await
            .unwrap();
        (arn, queue["QueueUrl"].as_str().unwrap().to_owned())
    }

    #[tokio::test]
    async fn a_notice_arrives_with_its_attributes() {
        let (arn, queue) = subscribed().await;
        let id = topic(&arn, &moto()).publish(&notice()).await.unwrap();

        let received = sqs(REGION, "ReceiveMessage", json!({"QueueUrl": queue})).await;
        let envelope = received["Messages"][0]["Body"].as_str().unwrap();
        let envelope: Value = serde_json::from_str(envelope).unwrap();
        assert_eq!(envelope["MessageId"], id);
        assert_eq!(envelope["Subject"], notice().subject);
        assert_eq!(envelope["Message"], notice().body);
        assert_eq!(
            envelope["MessageAttributes"],
            json!({
                "outcome": {"Type": "String", "Value": "Succeeded"},
                "filesFailed": {"Type": "Number", "Value": "7"},
            })
        );
    }

    #[tokio::test]
    async fn n01_a_topic_that_is_gone_is_told() {
        let arn = format!(
            "arn:aws:sns:{REGION}:123456789012:gone-{}",
            uuid::Uuid::new_v4()
        );
        let error = topic(&arn, &moto()).publish(&notice()).await.unwrap_err();
        assert_eq!(error, SnsError::TopicGone { topic: arn });
        assert!(!error.is_retryable());
    }

    #[tokio::test]
    async fn n01_a_refusal_is_told() {
        let body = "<ErrorResponse><Error><Type>Sender</Type><Code>AuthorizationError</Code>\
                    <Message>not you</Message></Error></ErrorResponse>";
        let (endpoint, _) = parrot(answer("403 Forbidden", "", body)).await;
        let error = some_topic(&endpoint).publish(&notice()).await.unwrap_err();
        let SnsError::AccessDenied { code, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(code, "AuthorizationError");
        assert!(!error.is_retryable());
    }

    #[tokio::test]
    async fn n01_a_topic_that_does_not_answer_may_do_so_later() {
        let (endpoint, asked) = parrot(answer("503 Unavailable", "", "inner-secret")).await;
        let error = some_topic(&endpoint).publish(&notice()).await.unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
        assert!(!error.to_string().contains("inner-secret"), "{error}");
        assert_eq!(asked.requests().len(), 4);
    }
}
