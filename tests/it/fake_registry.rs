//! A registry on loopback that answers as it is told, and remembers what it was asked.
//!
//! It speaks plain HTTP; what begins with TLS is answered as servers without it do.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

pub(crate) use crate::images::digest;

#[expect(clippy::disallowed_types, reason = "only the product never listens")]
type Listener = std::net::TcpListener;
#[expect(
    clippy::disallowed_types,
    reason = "the other end of what the product opens"
)]
type Stream = std::net::TcpStream;

/// Time between two bytes of what comes slowly.
const DRIP: Duration = Duration::from_millis(100);

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// An answer.
#[derive(Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Body,
}

#[derive(Clone)]
pub(crate) enum Body {
    Whole(Vec<u8>),
    /// As many bytes are promised, and only these come, or more.
    Promised(usize, Vec<u8>),
    Endless,
    /// The same in chunks.
    Chunks,
    /// As many bytes are promised, and one comes now and then.
    Drip(usize),
    /// A head whose end never comes.
    Head,
    /// Nothing at all, not even a head.
    Silence,
    /// The connection ends before an answer.
    Close,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Reply {
        Reply {
            status,
            headers: Vec::new(),
            body: Body::Whole(body.into()),
        }
    }

    pub(crate) fn ok(kind: &str, body: &[u8]) -> Reply {
        Reply::new(200, body).header("content-type", kind)
    }

    /// What comes is not what it should be.
    pub(crate) fn bad(body: Body) -> Reply {
        Reply::new(200, "").body(body)
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Reply {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn body(mut self, body: Body) -> Reply {
        self.body = body;
        self
    }

    fn send(&self, stream: &mut Stream) -> std::io::Result<()> {
        match self.body {
            Body::Silence => {
                thread::sleep(Duration::from_mins(1));
                return Ok(());
            }
            Body::Close => return Ok(()),
            _ => {}
        }
        write!(
            stream,
            "HTTP/1.1 {} x\r\nconnection: close\r\n",
            self.status
        )?;
        for (name, value) in &self.headers {
            write!(stream, "{name}: {value}\r\n")?;
        }
        let length = match &self.body {
            Body::Whole(bytes) => Some(bytes.len()),
            Body::Promised(size, _) | Body::Drip(size) => Some(*size),
            _ => None,
        };
        if let Some(length) = length {
            write!(stream, "content-length: {length}\r\n")?;
        }
        stream.write_all(match &self.body {
            Body::Chunks => b"transfer-encoding: chunked\r\n\r\n".as_slice(),
            Body::Head => b"x: ",
            _ => b"\r\n",
        })?;
        let chunk = [b"2000\r\n".as_slice(), &[b' '; 0x2000], b"\r\n"].concat();
        match &self.body {
            Body::Whole(bytes) | Body::Promised(_, bytes) => stream.write_all(bytes),
            Body::Endless => loop {
                stream.write_all(&[b' '; 1 << 13])?;
            },
            Body::Chunks => loop {
                stream.write_all(&chunk)?;
            },
            _ => loop {
                stream.write_all(b" ")?;
                thread::sleep(DRIP);
            },
        }
    }
}

/// Hosts of every server of this process.
static HOSTS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Hosts of every server of this process so far, and a port where nothing listens: what a test may
/// let the product contact.
pub(crate) fn hosts() -> BTreeSet<String> {
    let mut hosts = HOSTS.lock().unwrap().clone();
    hosts.insert("127.0.0.1:1".to_owned());
    hosts
}

/// It ends with the test process.
pub(crate) struct Server {
    /// Host with port, as references have it.
    pub(crate) host: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// By what stands behind `/v2/`.
    replies: Arc<Mutex<BTreeMap<String, Reply>>>,
}

impl Server {
    /// It knows what it is given by [`put`](Self::put), and nothing else.
    pub(crate) fn new() -> Server {
        Server::answering(|_| Reply::new(404, ""))
    }

    /// What it was not given is answered by `answer`.
    pub(crate) fn answering(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Server {
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let server = Server {
            host: listener.local_addr().unwrap().to_string(),
            asked: Arc::default(),
            replies: Arc::default(),
        };
        HOSTS.lock().unwrap().insert(server.host.clone());
        let (asked, replies) = (Arc::clone(&server.asked), Arc::clone(&server.replies));
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (asked, replies) = (Arc::clone(&asked), Arc::clone(&replies));
                let answer = Arc::clone(&answer);
                thread::spawn(move || {
                    // A client that goes away is no failure of the server.
                    let _gone = serve(stream, &asked, |question| {
                        let known = replies.lock().unwrap();
                        let put = known.get(question.path.trim_start_matches("/v2/"));
                        put.cloned().unwrap_or_else(|| answer(question))
                    });
                });
            }
        });
        server
    }

    /// Answers a question for `/v2/PATH`.
    pub(crate) fn put(&self, path: &str, reply: Reply) {
        self.replies.lock().unwrap().insert(path.to_owned(), reply);
    }

    /// What was asked for, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(
    mut stream: Stream,
    seen: &Mutex<Vec<Asked>>,
    answer: impl Fn(&Asked) -> Reply,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let first = reader.fill_buf()?.first().copied();
    if !first.is_some_and(|byte| byte.is_ascii_uppercase()) {
        return stream.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
    }
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ').map(str::to_owned);
    let mut asked = Asked {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        headers: BTreeMap::new(),
        body: String::new(),
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        let name = name.to_ascii_lowercase();
        asked.headers.insert(name, value.trim().to_owned());
    }
    let mut body = vec![0; asked.header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body)?;
    asked.body = String::from_utf8_lossy(&body).into_owned();
    seen.lock().unwrap().push(asked.clone());
    answer(&asked).send(&mut stream)
}
