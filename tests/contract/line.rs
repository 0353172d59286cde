//! A line that misbehaves.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a [`line`] does with the answers on its first connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The request arrives, and its answer is lost.
    LoseAnswer,
    /// Only so many bytes of the answer arrive.
    CutAnswerAfter(usize),
}

/// A line to a server. Its first connection is faulty, all others are sound. Answers with the
/// endpoint at its near end.
pub(crate) async fn line(endpoint: &str, fault: Fault) -> String {
    let far = endpoint
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut faults = vec![fault];
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&far).await.unwrap();
            tokio::spawn(carry(client, server, faults.pop()));
        }
    });
    near
}

async fn carry(mut client: TcpStream, mut server: TcpStream, fault: Option<Fault>) {
    let limit = match fault {
        None => {
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            return;
        }
        Some(Fault::LoseAnswer) => 0,
        Some(Fault::CutAnswerAfter(bytes)) => bytes,
    };
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let asking = tokio::io::copy(&mut from_client, &mut to_server);
    let answering = async {
        let mut answer = vec![0; 64 * 1024];
        let mut passed = 0;
        // With a limit of nothing the first bytes of the answer are awaited all the same: they
        // prove that the request was carried out.
        loop {
            let read = from_server.read(&mut answer).await.unwrap_or(0);
            let passing = read.min(limit - passed);
            let _ = to_client.write_all(&answer[..passing]).await;
            passed += passing;
            if read == 0 || passed == limit {
                return;
            }
        }
    };
    tokio::select! {
        _ = asking => {}
        () = answering => {}
    }
}
