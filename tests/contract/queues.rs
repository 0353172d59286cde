//! The queue service of moto, asked as its owner does.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::environment::variable;

/// Asks the queue service, which moto tells from the others by the scope of a signature that it
/// does not verify. Some answers have no body.
pub(crate) async fn sqs(region: &str, action: &str, body: Value) -> Value {
    let moto = variable("BACKSTAY_MOTO_ENDPOINT");
    let address = moto.trim_start_matches("http://").trim_end_matches('/');
    let body = body.to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/x-amz-json-1.0\r\nx-amz-target: AmazonSQS.{action}\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=id/20260101/{region}/sqs/aws4_request, \
         SignedHeaders=host, Signature=none\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}
