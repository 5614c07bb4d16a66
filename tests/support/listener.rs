//! A small HTTP server that notes what it is told.
#![allow(dead_code)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Listens as long as the process lives.
pub struct Listener {
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `POST /path`
    pub line: String,
    pub body: String,
}

impl Listener {
    /// Answers with these statuses, the last one again and again; 0: it never answers.
    pub fn answering(statuses: &'static [u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let noted = asked.clone();
        thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let mut asked = noted.lock().unwrap();
                asked.push(read(&stream));
                let at = (asked.len() - 1).min(statuses.len() - 1);
                match statuses[at] {
                    0 => silent.push(stream),
                    status => answer(stream, status),
                }
            }
        });
        Self { port, asked }
    }

    /// With a path that nobody must see.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/{SECRET}", self.port)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// The path of every listener.
pub const SECRET: &str = "services/T0/B0/the-secret-of-the-webhook";

fn read(stream: &TcpStream) -> Asked {
    let mut reader = BufReader::new(stream);
    let mut next = || {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let line = next();
    let mut length = 0;
    loop {
        let header = next().to_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Asked {
        line: line.trim_end_matches(" HTTP/1.1").to_owned(),
        body: String::from_utf8(body).unwrap(),
    }
}

fn answer(mut stream: TcpStream, status: u16) {
    let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    // Whoever does not wait for it has seen enough.
    let _ = stream.write_all(answer.as_bytes());
}
