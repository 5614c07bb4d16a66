//! The side of the second container: starts servers for drills, and removes them.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinSet, spawn_blocking};

use super::protocol::{
    Answer, MAX_REQUEST, Outcome, Ready, Refusal, Request, STILL_THERE, Started, VERSION,
    is_name_of_ours, parse, read_line, to_line,
};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::interrupt::Interrupt;
use crate::pg::local::throwaway::{self, SHARED_PREFIX, ServerRequest, Throwaway, to_preload};
use crate::pg::local::tools::Dirs;
use crate::progress::Progress;
use crate::wall::Wall;
use crate::wall::container::Container;

/// How long somebody who connected may take to say what is wanted.
const REQUEST: Duration = Duration::from_secs(10);
/// Before the next try, where connections cannot be accepted.
const PAUSE: Duration = Duration::from_millis(200);

/// The socket's name in the shared folder.
pub(crate) const SOCKET: &str = "lifeboat.sock";

struct Server {
    folder: PathBuf,
    tool_dirs: Dirs,
    progress: Arc<dyn Progress>,
    interrupt: Interrupt,
}

/// Serves until it is interrupted; then nothing of it is left.
pub(crate) async fn serve(
    folder: PathBuf,
    tool_dirs: Dirs,
    progress: Arc<dyn Progress>,
    interrupt: Interrupt,
) -> Result<()> {
    if rustix::process::geteuid().is_root() {
        return Err(Error::refused("a drill server does not run as root")
            .hint("give the second container a user of its own"));
    }
    let socket = Socket::listen(folder.join(SOCKET)).await?;
    sweep(&folder, progress.as_ref())?;
    progress.note(&format!("listening on {}", socket.path.display()));
    let server = Arc::new(Server {
        folder,
        tool_dirs,
        progress,
        interrupt,
    });
    let mut visits = JoinSet::new();
    loop {
        tokio::select! {
            () = server.interrupt.cancelled() => break,
            Some(_) = visits.join_next() => {}
            accepted = socket.listener.accept() => match accepted {
                Ok((stream, _)) => {
                    visits.spawn(visit(server.clone(), stream));
                }
                Err(why) => {
                    server.progress.warn(&format!("cannot accept a connection: {why}"));
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
    drop(socket);
    while visits.join_next().await.is_some() {}
    Ok(())
}

/// The socket, for as long as it is listened on.
struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    async fn listen(path: PathBuf) -> Result<Self> {
        let cannot = || format!("cannot listen on {}", path.display());
        remove_stale(&path).await?;
        let listener = UnixListener::bind(&path).context(cannot)?;
        // The drill has another user id; who may come into the folder may ask for a server.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).context(cannot)?;
        Ok(Self { listener, path })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// A drill server that was killed leaves its socket behind.
async fn remove_stale(path: &Path) -> Result<()> {
    let taken = |what: &str| {
        Error::new(Kind::Exists, format!("{}: {what}", path.display()))
            .hint("each drill server has a folder of its own")
    };
    match fs::symlink_metadata(path) {
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(why) => return Err(why).context(|| path.display().to_string()),
        Ok(found) if !found.file_type().is_socket() => return Err(taken("is no socket")),
        Ok(_) => {}
    }
    if UnixStream::connect(path).await.is_ok() {
        return Err(taken("another drill server listens there"));
    }
    fs::remove_file(path).context(|| format!("cannot remove {}", path.display()))
}

/// Removes what servers of a killed one left: it was the last that listened here.
fn sweep(folder: &Path, progress: &dyn Progress) -> Result<()> {
    let cannot = || format!("cannot look into {}", folder.display());
    let uid = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(folder).context(cannot)? {
        let entry = entry.context(cannot)?;
        let is_left = entry.file_name().as_encoded_bytes().starts_with(SHARED_PREFIX.as_bytes())
            // Of the entry itself: links are not followed.
            && entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == uid);
        if is_left && let Err(why) = fs::remove_dir_all(entry.path()) {
            progress.warn(&format!("cannot remove {}: {why}", entry.path().display()));
        }
    }
    Ok(())
}

/// One connection, to its end.
async fn visit(server: Arc<Server>, mut stream: UnixStream) {
    let mut throwaway = None;
    let outcome = match request(&mut stream).await {
        // Somebody who only looked whether we listen.
        Ok(None) => return,
        Ok(Some(request)) => server.start(request.server, &mut throwaway).await,
        Err(error) => Err(error),
    };
    let outcome = outcome.unwrap_or_else(|error| {
        server.progress.warn(&format!("refused: {}", error.chain()));
        Outcome::Refused(Refusal {
            error: error.chain(),
            hint: error.advice().to_owned(),
        })
    });
    let answered = answer(&mut stream, outcome).await;
    let Some(mut throwaway) = throwaway else {
        return;
    };
    if answered.is_ok() {
        stay(&mut stream, &mut throwaway, &server.interrupt).await;
    }
    // The connection is closed only after that: so the drill knows that nothing is left.
    let _ = spawn_blocking(move || drop(throwaway)).await;
    server.progress.note("removed the drill's server");
}

async fn request(stream: &mut UnixStream) -> Result<Option<Request>> {
    let line = tokio::time::timeout(REQUEST, read_line(stream, MAX_REQUEST)).await;
    let line = line.map_err(|_| Error::refused("no request came"))??;
    let request: Option<Request> = line.map(|line| parse(&line, "request")).transpose()?;
    if let Some(wanted) = request.as_ref().and_then(|one| one.server.as_ref()) {
        check(wanted)?;
    }
    Ok(request)
}

/// The names end up in the server's settings: none of them says more than a name.
fn check(wanted: &ServerRequest) -> Result<()> {
    let logins = &wanted.logins;
    let mut names = logins.names().into_iter().chain([&wanted.database]);
    let are_ours = names.all(|name| is_name_of_ours(name));
    if are_ours && to_preload(&wanted.extensions) == wanted.extensions {
        return Ok(());
    }
    Err(Error::refused(
        "the request holds a name that lifeboat would not send",
    ))
}

async fn answer(stream: &mut UnixStream, outcome: Outcome) -> Result<()> {
    let line = to_line(&Answer {
        lifeboat: VERSION.to_owned(),
        outcome,
    })?;
    let written = stream.write_all(&line).await;
    written.context(|| "answering a drill".to_owned())
}

/// Returns when the server is no longer wanted, or no more.
async fn stay(stream: &mut UnixStream, throwaway: &mut Throwaway, interrupt: &Interrupt) {
    loop {
        let mut asked = [0];
        let read = tokio::select! {
            () = interrupt.cancelled() => return,
            read = stream.read(&mut asked) => read,
        };
        let is_wanted = matches!(read, Ok(1)) && asked == [STILL_THERE];
        if !is_wanted || !throwaway.is_running() || stream.write_all(&asked).await.is_err() {
            return;
        }
    }
}

impl Server {
    /// Puts a server into `throwaway` where one is wanted.
    async fn start(
        &self,
        wanted: Option<ServerRequest>,
        throwaway: &mut Option<Throwaway>,
    ) -> Result<Outcome> {
        let container = Container::own()?;
        let Some(wanted) = wanted else {
            let folder = self.folder.clone();
            let wall = spawn_blocking(move || Wall::build(None, &folder, &[])).await;
            let wall = wall.context(|| "building a wall".to_owned())??;
            return Ok(Outcome::Ready(Ready {
                container,
                walls: wall.walls,
                missing: wall.missing.clone(),
                server: None,
            }));
        };
        let options = throwaway::Options {
            server: wanted,
            tool_dirs: self.tool_dirs.clone(),
            base: self.folder.clone(),
            shared: true,
        };
        let started = spawn_blocking(move || Throwaway::start(&options)).await;
        let started = started.context(|| "starting a server for a drill".to_owned())??;
        let version = started.version.clone();
        self.progress
            .note(&format!("started PostgreSQL {version} for a drill"));
        let name = started.folder().file_name().unwrap_or_default();
        let ready = Ready {
            container,
            walls: started.wall.walls,
            missing: started.wall.missing.clone(),
            server: Some(Started {
                postgres: version,
                folder_name: name.display().to_string(),
            }),
        };
        *throwaway = Some(started);
        Ok(Outcome::Ready(ready))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::local::throwaway::Logins;

    fn wanted() -> ServerRequest {
        ServerRequest {
            major: 15,
            logins: Logins::random().unwrap(),
            extensions: vec!["pg_cron".to_owned()],
            database: "lifeboat_drill_20261121t020000z-k3v9q2".to_owned(),
        }
    }

    #[test]
    fn only_names_that_lifeboat_makes_reach_the_servers_settings() {
        check(&wanted()).unwrap();
        let long = format!("lifeboat_{}", "x".repeat(55));
        for name in [
            "all",
            "postgres",
            "lifeboat_a trust\n",
            "lifeboat_'",
            "LIFEBOAT_a",
            &long,
        ] {
            let mut with_login = wanted();
            with_login.logins.reader = name.to_owned();
            check(&with_login).unwrap_err();
            let mut with_database = wanted();
            with_database.database = name.to_owned();
            check(&with_database).unwrap_err();
        }
        let mut with_library = wanted();
        with_library.extensions.push("../../evil".to_owned());
        check(&with_library).unwrap_err();
    }
}
