//! The broker's protocol, spoken by hand: for what no well-behaved client sends.

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use crate::{TestEnv, wait::DEADLINE};

/// The subscription of every connection: what comes to its inbox.
const SUBSCRIPTION: &str = "1";

/// A connection that checks nothing of what it sends.
#[derive(Debug)]
pub struct Wire {
    stream: BufReader<TcpStream>,
    inbox: String,
    next: usize,
}

/// What came to the inbox: the header block as it is, and the content.
#[derive(Debug)]
pub struct Answer {
    /// Headers with their version line; empty if there are none.
    pub headers: Vec<u8>,
    /// The content.
    pub payload: Vec<u8>,
}

impl Wire {
    /// Connects as `user` of the test's account.
    pub async fn connect(env: &TestEnv, user: &str) -> Self {
        let credentials = env.nats_credentials(user);
        let address = env.nats_url().trim_start_matches("nats://");
        let stream = TcpStream::connect(address).await.expect("the broker answers");
        let mut wire = Self { stream: BufReader::new(stream), inbox: format!("{}.wire", credentials.inbox_prefix), next: 0 };
        assert!(wire.line().await.starts_with("INFO "));
        let login = serde_json::json!({
            "user": credentials.user, "pass": credentials.password, "verbose": false, "pedantic": false, "headers": true,
            "no_responders": true, "lang": "by hand", "version": "1",
        });
        wire.send(format!("CONNECT {login}\r\nSUB {}.* {SUBSCRIPTION}\r\n", wire.inbox).as_bytes()).await;
        wire.flush().await;
        wire
    }

    /// Publishes these very bytes and waits until the broker has read them; panics if it refuses them.
    pub async fn publish(&mut self, subject: &[u8], reply: &str, headers: Option<&[u8]>, payload: &[u8]) {
        let (verb, size, headers) = match headers {
            Some(headers) => ("HPUB ", format!("{} {}", headers.len(), headers.len() + payload.len()), headers),
            None => ("PUB ", payload.len().to_string(), &[][..]),
        };
        let head = [verb.as_bytes(), subject, format!(" {reply} {size}\r\n").as_bytes()].concat();
        self.send(&[&head, headers, payload, b"\r\n"].concat()).await;
    }

    /// Publishes, and gives the first answer to it.
    pub async fn ask(&mut self, subject: &[u8], headers: Option<&[u8]>, payload: &[u8]) -> Answer {
        self.next += 1;
        let reply = format!("{}.{}", self.inbox, self.next);
        self.publish(subject, &reply, headers, payload).await;
        loop {
            let line = self.line().await;
            let mut words = line.split_ascii_whitespace();
            let verb = words.next().unwrap_or_default();
            match verb {
                "MSG" | "HMSG" => {
                    let to = words.next().unwrap_or_default() == reply;
                    let sizes: Vec<usize> = words.skip(1).filter_map(|word| word.parse().ok()).collect();
                    let (head, all) = if verb == "MSG" { (0, sizes[0]) } else { (sizes[0], sizes[1]) };
                    let mut bytes = vec![0; all + 2];
                    self.within(async |stream| stream.read_exact(&mut bytes).await.map(|_| ())).await;
                    bytes.truncate(all);
                    let payload = bytes.split_off(head);
                    if to {
                        return Answer { headers: bytes, payload };
                    }
                }
                "PING" => self.send(b"PONG\r\n").await,
                "PONG" | "INFO" => {}
                _ => panic!("the broker refuses {}: {line}", String::from_utf8_lossy(subject)),
            }
        }
    }

    /// Waits until the broker has read everything sent so far.
    pub async fn flush(&mut self) {
        self.send(b"PING\r\n").await;
        loop {
            match self.line().await.as_str() {
                "PONG" => return,
                "PING" => self.send(b"PONG\r\n").await,
                line => assert!(line.starts_with("INFO"), "the broker refuses: {line}"),
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.within(async |stream| stream.get_mut().write_all(bytes).await).await;
    }

    async fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.within(async |stream| stream.read_until(b'\n', &mut line).await.map(|_| ())).await;
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }

    async fn within(&mut self, work: impl AsyncFnOnce(&mut BufReader<TcpStream>) -> std::io::Result<()>) {
        tokio::time::timeout(DEADLINE, work(&mut self.stream)).await.expect("the broker goes on").expect("the connection lives");
    }
}
