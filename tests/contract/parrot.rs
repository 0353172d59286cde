//! Servers that are none.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The requests that a parrot has got.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked(Arc<Mutex<Vec<String>>>);

impl Asked {
    pub(crate) fn requests(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Starts a server that answers every request alike. Answers with its endpoint, and with what it
/// will have been asked.
pub(crate) async fn parrot(answer: String) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let asked = Asked::default();
    let noted = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let request = request(&mut client).await;
            noted.0.lock().unwrap().push(request);
            let _ = client.write_all(answer.as_bytes()).await;
        }
    });
    (endpoint, asked)
}

pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// Reads a request to its end.
pub(crate) async fn request(client: &mut TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let read = client.read_buf(&mut request).await.unwrap_or(0);
        let text = String::from_utf8_lossy(&request);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let length = head
            .split_once("content-length: ")
            .map_or("0", |(_, rest)| rest);
        let length = length.lines().next().unwrap_or_default();
        if read == 0 || (text.contains("\r\n\r\n") && body.len() >= length.parse().unwrap()) {
            return text.into_owned();
        }
    }
}
