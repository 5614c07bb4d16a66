//! What RDS does before a real PostgreSQL: TLS, a clear-text password that must be a token signed for
//! this very endpoint, user and region, or the one that is set, and then in.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::certificates::Authority;
use super::sigv4::Presigned;
use super::tls;
use super::wire::read_startup;

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;
const CLEARTEXT: [u8; 9] = [b'R', 0, 0, 0, 8, 0, 0, 0, 3];

/// Whom the endpoint lets in.
#[derive(Debug, Clone)]
pub struct Rules {
    pub host: &'static str,
    pub region: &'static str,
    /// Access keys and their secrets.
    pub secrets: BTreeMap<String, String>,
    /// Whose token is refused although it is good: without rds_iam.
    pub without_role: Option<&'static str>,
}

/// Decides on a password, or token, and its user; `Err`: why not.
type Judge = Box<dyn Fn(&str, &str) -> Result<(), String> + Send + Sync>;

/// A login that was tried.
#[derive(Debug, Clone)]
pub struct Login {
    /// Of the startup message.
    pub parameters: BTreeMap<String, String>,
    pub token: String,
    /// Why it was refused; the client is not told.
    pub refused: Option<String>,
}

/// Lives as long as the runtime that it was started in.
pub struct Rds {
    pub port: u16,
    logins: Arc<Mutex<Vec<Login>>>,
}

struct Endpoint {
    judge: Judge,
    /// Whose password is wrong, rather than their token.
    by_password: Option<&'static str>,
    tls: TlsAcceptor,
    /// `host:port` of the real server, whose postgres needs no password.
    server: String,
    logins: Arc<Mutex<Vec<Login>>>,
}

impl Rds {
    /// Lets tokens in.
    pub async fn before(server: String, authority: &Authority, rules: Rules) -> Self {
        let (host, by_password) = (rules.host, rules.without_role);
        let judge = |port| -> Judge { Box::new(move |token, user| rules.judge(port, token, user)) };
        Self::judging(server, authority, host, by_password, judge).await
    }

    /// Lets passwords in that are right by this closure.
    pub async fn with_passwords(
        server: String,
        authority: &Authority,
        (host, user): (&'static str, &'static str),
        is_right: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        let judge = move |_| -> Judge {
            Box::new(move |password, by| match by == user && is_right(password) {
                true => Ok(()),
                false => Err("wrong user or password".to_owned()),
            })
        };
        Self::judging(server, authority, host, Some(user), judge).await
    }

    async fn judging(
        server: String,
        authority: &Authority,
        host: &str,
        by_password: Option<&'static str>,
        judge: impl FnOnce(u16) -> Judge,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let it = Self {
            port: listener.local_addr().unwrap().port(),
            logins: Arc::default(),
        };
        let endpoint = Arc::new(Endpoint {
            judge: judge(it.port),
            by_password,
            tls: tls::acceptor(authority, host),
            server,
            logins: it.logins.clone(),
        });
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let endpoint = endpoint.clone();
                // A client that goes away in between is its own affair.
                tokio::spawn(async move { endpoint.serve(client).await });
            }
        });
        it
    }

    pub fn logins(&self) -> Vec<Login> {
        self.logins.lock().unwrap().clone()
    }
}

impl Rules {
    fn judge(&self, port: u16, token: &str, user: &str) -> Result<(), String> {
        let Self { host, region, .. } = self;
        let token = Presigned::read(token).ok_or("not a pre-signed URL")?;
        let [key, date, signed_for, service] = token.scope().ok_or("no scope")?;
        let expect = |what: &str, found: &str, wanted: &str| match found == wanted {
            true => Ok(()),
            false => Err(format!("{what} is {found}, not {wanted}")),
        };
        expect("host", &token.host, &format!("{host}:{port}"))?;
        expect("action", token.get("Action"), "connect")?;
        expect("user", token.get("DBUser"), user)?;
        expect(
            "algorithm",
            token.get("X-Amz-Algorithm"),
            "AWS4-HMAC-SHA256",
        )?;
        expect("headers", token.get("X-Amz-SignedHeaders"), "host")?;
        expect("region", signed_for, region)?;
        expect("service", service, "rds-db")?;
        let secret = self.secrets.get(key).ok_or("unknown access key")?;
        let signed_at = token.get("X-Amz-Date");
        expect("date", &signed_at[..8.min(signed_at.len())], date)?;
        let signed_at: Timestamp = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", signed_at)
            .and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC))
            .map_err(|error| error.to_string())?
            .timestamp();
        let seconds: i64 = token.get("X-Amz-Expires").parse().unwrap_or(0);
        let now = Timestamp::now();
        let good = (1..=900).contains(&seconds)
            && signed_at <= now + SignedDuration::from_secs(1)
            && now <= signed_at + SignedDuration::from_secs(seconds);
        expect("good now", &good.to_string(), "true")?;
        let signature = token.signature_by(secret).ok_or("no scope")?;
        expect("signature", &token.signature, &signature)?;
        match self.without_role == Some(user) {
            true => Err("no rds_iam".to_owned()),
            false => Ok(()),
        }
    }
}

impl Endpoint {
    async fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        loop {
            let startup = read_startup(&mut client).await?;
            match code_of(&startup) {
                GSS_REQUEST => client.write_all(b"N").await?,
                SSL_REQUEST => {
                    client.write_all(b"S").await?;
                    let client = self.tls.accept(client).await?;
                    return self.within_tls(client).await;
                }
                _ => {
                    let no = "no pg_hba.conf entry for host, no encryption";
                    return client.write_all(&fatal("28000", no)).await;
                }
            }
        }
    }

    async fn within_tls<S>(&self, mut client: S) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let startup = read_startup(&mut client).await?;
        let mut server = TcpStream::connect(&self.server).await?;
        server.set_nodelay(true)?;
        if code_of(&startup) == CANCEL_REQUEST {
            server.write_all(&startup).await?;
            return Ok(());
        }
        let mut parameters = read_parameters(&startup[8..]);
        client.write_all(&CLEARTEXT).await?;
        let token = read_password(&mut client).await?;
        let user = parameters["user"].clone();
        let refused = (self.judge)(&token, &user).err();
        self.logins.lock().unwrap().push(Login {
            parameters: parameters.clone(),
            token,
            refused: refused.clone(),
        });
        if refused.is_some() {
            let says = match self.by_password == Some(&user) {
                true => fatal(
                    "28P01",
                    &format!("password authentication failed for user \"{user}\""),
                ),
                false => fatal(
                    "28000",
                    &format!("PAM authentication failed for user \"{user}\""),
                ),
            };
            return client.write_all(&says).await;
        }
        parameters.insert("user".to_owned(), "postgres".to_owned());
        server.write_all(&startup_of(&parameters)).await?;
        tokio::io::copy_bidirectional(&mut client, &mut server).await?;
        Ok(())
    }
}

fn code_of(startup: &[u8]) -> u32 {
    u32::from_be_bytes(startup[4..8].try_into().unwrap())
}

fn read_parameters(bytes: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(bytes);
    let words: Vec<&str> = text.trim_end_matches('\0').split('\0').collect();
    let pair = |pair: &[&str]| (pair[0].to_owned(), pair[1].to_owned());
    words.chunks_exact(2).map(pair).collect()
}

fn startup_of(parameters: &BTreeMap<String, String>) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for (name, value) in parameters {
        body.extend(format!("{name}\0{value}\0").bytes());
    }
    body.push(0);
    let mut message = (body.len() as u32 + 4).to_be_bytes().to_vec();
    message.extend(body);
    message
}

async fn read_password(from: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    assert_eq!(from.read_u8().await?, b'p');
    let len = from.read_u32().await?;
    let mut password = vec![0; len as usize - 4];
    from.read_exact(&mut password).await?;
    assert_eq!(password.pop(), Some(0));
    Ok(String::from_utf8_lossy(&password).into_owned())
}

fn fatal(code: &str, message: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
    let mut bytes = vec![b'E'];
    bytes.extend((fields.len() as u32 + 4).to_be_bytes());
    bytes.extend(fields.bytes());
    bytes
}
