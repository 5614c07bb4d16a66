//! A pooler between us and the server, as far as it can be told: it announces a process of its own.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use super::export_complains;
use crate::support::{Database, Lifeboat, Major};

/// Passes everything on but the number of the server's process.
fn pool(server: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
            let (to_server, from_client) =
                (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || pass_on(from_client, to_server));
            thread::spawn(move || {
                let _ = announce_another(&server, &client);
                pass_on(server, client);
            });
        }
    });
    port
}

fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}

/// Up to BackendKeyData: a letter, a length, a body each.
fn announce_another(mut server: &TcpStream, mut client: &TcpStream) -> std::io::Result<()> {
    loop {
        let mut head = [0; 5];
        server.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length - 4];
        server.read_exact(&mut body)?;
        let is_key = head[0] == b'K';
        if is_key {
            body[0] ^= 0x10;
        }
        client.write_all(&head)?;
        client.write_all(&body)?;
        if is_key {
            return Ok(());
        }
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_pooler_in_between_is_refused() {
    let lifeboat = Lifeboat::init();
    let database = Database::new(Major::Pg15);
    let url = database.url();
    let (_, rest) = url.split_once('@').unwrap();
    let (host, name) = rest.split_once('/').unwrap();
    let port = pool(host.to_owned());
    let pooled = format!("postgresql://postgres@127.0.0.1:{port}/{name}?sslmode=disable");
    export_complains(
        &lifeboat,
        &pooled,
        &["pooler", &port.to_string(), "PgBouncer"],
    );
    lifeboat.export(&url);
}
