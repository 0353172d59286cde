//! A line to the store that can be watched and held: what a run has asked for is seen as it went
//! over the wire, and one request can be kept waiting while something happens to the process.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use crate::copies;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a store answers that lacks a right.
const REFUSAL: &str = "HTTP/1.1 403 Forbidden\r\ncontent-length: 40\r\n\r\n\
                       <Error><Code>AccessDenied</Code></Error>";

/// Whether this is the request that is held, by its first line.
type Chosen = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// A line to the store. Its threads end when the connections do.
pub(crate) struct Proxy {
    pub(crate) endpoint: String,
    address: SocketAddr,
    line: Arc<Line>,
}

struct Line {
    upstream: String,
    answering: Answering,
    state: Mutex<State>,
    changed: Condvar,
}

/// What a line does besides passing on.
enum Answering {
    Passes,
    /// It holds the first request of which this is true.
    Holds(Chosen),
    /// It replaces something in answers by something of the same length.
    Falsifies(Vec<u8>, Vec<u8>),
    /// It copies objects itself.
    Copies,
    /// It lets nothing through of which this is true, as a store does that lacks a right.
    Refuses(Chosen),
}

#[derive(Default)]
struct State {
    requests: Vec<String>,
    gate: Gate,
    is_closed: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Gate {
    #[default]
    Waiting,
    Reached,
    Released,
}

impl Proxy {
    /// A line that lets everything through.
    pub(crate) fn start(upstream: &str) -> Self {
        Self::with(upstream, Answering::Passes)
    }

    /// A line that holds the first request of which this is true.
    pub(crate) fn holding(
        upstream: &str,
        held: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::with(upstream, Answering::Holds(Box::new(held)))
    }

    /// A line to a store that copies as AWS does: it says with which checksum. To the store at its
    /// end, that is asking too much.
    pub(crate) fn copying(upstream: &str) -> Self {
        Self::with(upstream, Answering::Copies)
    }

    /// A line to a store that refuses all requests of which this is true.
    pub(crate) fn refusing(
        upstream: &str,
        refused: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::with(upstream, Answering::Refuses(Box::new(refused)))
    }

    /// A line that falsifies answers.
    pub(crate) fn falsifying(upstream: &str, from: &[u8], to: &[u8]) -> Self {
        assert_eq!(from.len(), to.len());
        Self::with(
            upstream,
            Answering::Falsifies(from.to_owned(), to.to_owned()),
        )
    }

    fn with(upstream: &str, answering: Answering) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let line = Arc::new(Line {
            upstream: upstream.trim_start_matches("http://").to_owned(),
            answering,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let accepting = line.clone();
        thread::spawn(move || accepting.accept(&listener));
        Self {
            endpoint: format!("http://{address}"),
            address,
            line,
        }
    }

    /// The first lines of all requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.line.state.lock().unwrap().requests.clone()
    }

    /// Waits until the request to be held has come.
    pub(crate) fn wait_until_held(&self) {
        let state = self.line.state.lock().unwrap();
        let (state, _) = self
            .line
            .changed
            .wait_timeout_while(state, PATIENCE, |state| state.gate == Gate::Waiting)
            .unwrap();
        assert!(state.gate == Gate::Reached, "{:#?}", state.requests);
    }

    /// Lets the held request, and all others, through.
    pub(crate) fn release(&self) {
        self.line.state.lock().unwrap().gate = Gate::Released;
        self.line.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.line.state.lock().unwrap().is_closed = true;
        self.release();
        // The listening thread sees it at its next connection.
        let _ = TcpStream::connect(self.address);
    }
}

impl Line {
    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.state.lock().unwrap().is_closed {
                return;
            }
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(&self.upstream)) else {
                continue;
            };
            let answers = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let line = self.clone();
            thread::spawn(move || line.answer(answers.0, answers.1));
            let line = self.clone();
            thread::spawn(move || {
                // A line that breaks is what the other end sees, too.
                let _ = line.ask(&client, &server);
                let _ = server.shutdown(Shutdown::Write);
            });
        }
    }

    /// Passes requests on, one after the other.
    fn ask(&self, client: &TcpStream, mut server: &TcpStream) -> io::Result<()> {
        let mut client = BufReader::new(client);
        loop {
            let mut head = Vec::new();
            let mut body_length = 0;
            loop {
                let start = head.len();
                if client.read_until(b'\n', &mut head)? == 0 {
                    return Ok(());
                }
                let line = String::from_utf8_lossy(&head[start..]).to_ascii_lowercase();
                if let Some(length) = line.strip_prefix("content-length:") {
                    body_length = length.trim().parse().map_err(io::Error::other)?;
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let first = String::from_utf8_lossy(&head);
            let request = first.lines().next().unwrap_or_default();
            self.pass(request);
            if matches!(&self.answering, Answering::Refuses(refused) if refused(request)) {
                io::copy(&mut client.by_ref().take(body_length), &mut io::sink())?;
                client.get_mut().write_all(REFUSAL.as_bytes())?;
                continue;
            }
            if matches!(self.answering, Answering::Copies) && first.contains(copies::SOURCE) {
                client.get_mut().write_all(&copies::copy(&first))?;
                continue;
            }
            server.write_all(&head)?;
            io::copy(&mut client.by_ref().take(body_length), &mut server)?;
        }
    }

    /// Notes a request, and waits while it is held.
    fn pass(&self, request: &str) {
        let mut state = self.state.lock().unwrap();
        state.requests.push(request.to_owned());
        let is_held = matches!(&self.answering, Answering::Holds(held) if held(request));
        if state.gate == Gate::Waiting && is_held {
            state.gate = Gate::Reached;
            self.changed.notify_all();
            let open = self
                .changed
                .wait_while(state, |state| state.gate == Gate::Reached);
            drop(open.unwrap());
        }
    }

    fn answer(&self, mut client: TcpStream, mut server: TcpStream) {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length) = server.read(&mut buffer) {
            if let Answering::Falsifies(from, to) = &self.answering {
                let found = buffer[..length]
                    .windows(from.len())
                    .position(|window| window == from);
                if let Some(at) = found {
                    buffer[at..][..to.len()].copy_from_slice(to);
                }
            }
            if length == 0 || client.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        // Whoever is gone needs no goodbye.
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
    }
}
