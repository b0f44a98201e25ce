//! A registry of one file, that lies when it is told to.
//!
//! It speaks plain HTTP on loopback, to whoever asks for any repository.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};

#[expect(clippy::disallowed_types, reason = "only the product never listens")]
type Listener = std::net::TcpListener;
#[expect(
    clippy::disallowed_types,
    reason = "the other end of what the product opens"
)]
type Stream = std::net::TcpStream;

/// First byte of a TLS connection.
const TLS: u8 = 0x16;

/// What is answered to a GET.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Status, header lines, body.
    Whole(u16, String, Vec<u8>),
    /// A body without an end.
    Endless(String),
    /// A body of that length breaks off where the bytes end.
    Cut(usize, Vec<u8>),
    /// The connection ends without an answer.
    Close,
}

impl Reply {
    pub(crate) fn ok(kind: &str, body: &[u8]) -> Reply {
        Reply::Whole(200, format!("Content-Type: {kind}\r\n"), body.to_vec())
    }

    pub(crate) fn status(code: u16, body: &str) -> Reply {
        Reply::Whole(code, String::new(), body.as_bytes().to_vec())
    }
}

#[derive(Default)]
struct State {
    /// By what stands behind `/v2/`.
    replies: BTreeMap<String, Reply>,
    asked: Vec<String>,
}

/// A running registry; it ends with the test process.
pub(crate) struct Registry {
    state: Arc<Mutex<State>>,
    /// Host with port, as references have it.
    pub(crate) host: String,
}

impl Registry {
    pub(crate) fn new() -> Registry {
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State::default()));
        let registry = Registry {
            state: Arc::clone(&state),
            host,
        };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&state);
                std::thread::spawn(move || {
                    // A client that goes away ends its thread.
                    let _gone = serve(stream.unwrap(), &state);
                });
            }
        });
        registry
    }

    /// Answers a GET of `/v2/PATH`.
    pub(crate) fn answer(&self, path: &str, reply: Reply) {
        let mut state = self.state.lock().unwrap();
        state.replies.insert(path.to_owned(), reply);
    }

    /// What was asked for, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }
}

fn serve(mut stream: Stream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut first = [0];
    if stream.peek(&mut first)? == 1 && first == [TLS] {
        return stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
    }
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(path) = read(&mut reader)? {
        let reply = {
            let mut state = state.lock().unwrap();
            state.asked.push(path.clone());
            state.replies.get(&path).cloned()
        };
        match reply.unwrap_or_else(|| Reply::status(404, "")) {
            Reply::Whole(code, headers, body) => {
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {code} X\r\n{headers}Content-Length: {length}\r\n\r\n");
                stream.write_all(&[head.as_bytes(), &body].concat())?;
            }
            Reply::Endless(headers) => {
                write!(stream, "HTTP/1.1 200 OK\r\n{headers}\r\n")?;
                loop {
                    stream.write_all(&[b' '; 1 << 10])?;
                }
            }
            Reply::Cut(length, body) => {
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"
                )?;
                stream.write_all(&body)?;
                return stream.shutdown(std::net::Shutdown::Both);
            }
            Reply::Close => return stream.shutdown(std::net::Shutdown::Both),
        }
    }
    Ok(())
}

/// The path of the next request, without `/v2/`.
fn read(reader: &mut BufReader<Stream>) -> std::io::Result<Option<String>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split_whitespace().nth(1).unwrap_or_default();
    let path = path.trim_start_matches("/v2/").to_owned();
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    Ok(Some(path))
}

/// `sha256:…` of some bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let hex = |text: String, byte: &u8| text + &format!("{byte:02x}");
    digest.iter().fold("sha256:".to_owned(), hex)
}
