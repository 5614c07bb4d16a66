//! A proxy as companies have them: CONNECT for https, whole URLs for http. Every host that it is asked for
//! is one server, also those that no resolver knows: who gets an answer has come this way.
#![allow(dead_code)]

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Listens as long as the process lives.
pub struct Tunnel {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Tunnel {
    /// Before `host:port`.
    pub fn to(server: &str) -> Self {
        Self::start(server, None)
    }

    /// Lets in who gives `user:password`.
    pub fn asking_for(server: &str, who: &str) -> Self {
        Self::start(server, Some(format!("Basic {}", BASE64.encode(who))))
    }

    fn start(server: &str, who: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let (noted, server) = (seen.clone(), server.to_owned());
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server, who) = (client.unwrap(), server.clone(), who.clone());
                let noted = noted.clone();
                // A client that goes away early is its own affair.
                thread::spawn(move || serve(client, &server, who.as_deref(), &noted));
            }
        });
        Self { port, seen }
    }

    /// `127.0.0.1:port`
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// What it was asked for, such as `CONNECT host:443` or `GET http://host/path`.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// How much it was asked for; all of it was for this host.
    pub fn asked_for(&self, host: &str) -> usize {
        let seen = self.seen();
        for one in &seen {
            let target = one.split(' ').nth(1).unwrap();
            let target = target.strip_prefix("http://").unwrap_or(target);
            assert!(target.starts_with(host), "{one}");
        }
        seen.len()
    }
}

fn serve(
    mut client: TcpStream,
    server: &str,
    who: Option<&str>,
    noted: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let asked = head[0].trim_end_matches(" HTTP/1.1").to_owned();
    noted.lock().unwrap().push(asked.clone());
    let given = head.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("proxy-authorization")
            .then_some(value)
    });
    if who.is_some_and(|who| given != Some(who)) {
        return client.write_all(b"HTTP/1.1 407 Who?\r\nContent-Length: 0\r\n\r\n");
    }
    let mut server = TcpStream::connect(server)?;
    if asked.starts_with("CONNECT ") {
        client.write_all(b"HTTP/1.1 200 There\r\n\r\n")?;
    } else {
        let (method, url) = asked.split_once(' ').unwrap();
        let path = url.strip_prefix("http://").unwrap();
        let path = path.find('/').map_or("/", |at| &path[at..]);
        let mine = ["proxy-", "connection:"];
        let kept = head[1..].iter().filter(|line| {
            let line = line.to_lowercase();
            !mine.iter().any(|header| line.starts_with(header))
        });
        let kept: Vec<&str> = kept.map(String::as_str).collect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\n{}\r\nConnection: close\r\n\r\n",
            kept.join("\r\n")
        );
        server.write_all(head.as_bytes())?;
    }
    let (mut back, mut to_client) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut back, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
    // What was read ahead goes first.
    io::copy(&mut reader, &mut server)?;
    server.shutdown(Shutdown::Write)
}
