//! A thread with nothing left to give: what it starts inherits that. It lives as long as the wall, as
//! bubblewrap ends its program when the thread that started it ends.

use std::io;
use std::process::Child;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::command::Walled;
use crate::error::{Result, ResultExt};

type Job = (Walled, Sender<io::Result<Child>>);

pub(super) struct Spawner {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    /// Why the kernel takes no filter; `None`: it does, or none was asked for.
    pub filter_refused: Option<String>,
}

impl Spawner {
    /// `filter`: system calls are filtered from here on. `changes_user`: what it starts gives up root
    /// itself, and with it every capability.
    pub(super) fn start(filter: bool, changes_user: bool) -> Result<Self> {
        let (jobs, arriving) = channel::<Job>();
        let (sealed, refused) = channel();
        let thread = std::thread::Builder::new()
            .name("wall".to_owned())
            .spawn(move || {
                let _ = sealed.send(seal(filter, changes_user));
                serve(&arriving);
            })
            .context(|| "cannot start a thread".to_owned())?;
        let ended = || io::Error::other("the thread ended");
        let filter_refused = refused
            .recv()
            .unwrap_or_else(|_| Err(ended()))
            .context(|| "cannot give up this process's rights for a drill's server".to_owned())?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
            filter_refused,
        })
    }

    pub(super) fn spawn(&self, walled: Walled) -> io::Result<Child> {
        let ended = || io::Error::other("the thread that starts programs ended");
        let (reply, started) = channel();
        let jobs = self.jobs.as_ref().ok_or_else(ended)?;
        jobs.send((walled, reply)).map_err(|_| ended())?;
        started.recv().map_err(|_| ended())?
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(jobs: &Receiver<Job>) {
    while let Ok((mut walled, reply)) = jobs.recv() {
        let _ = reply.send(walled.command.spawn());
    }
}

/// Gives up what this thread has, for itself and all that it starts. The inner text says why the kernel
/// takes no filter.
#[cfg(target_os = "linux")]
fn seal(filter: bool, changes_user: bool) -> io::Result<Option<String>> {
    use rustix::thread::{self, CapabilitySet};
    thread::set_no_new_privs(true)?;
    // Each of these needs rights that we may not have; then there is nothing to give up either.
    let _ = thread::clear_ambient_capability_set();
    for bit in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << bit);
        let _ = thread::remove_capability_from_bounding_set(one);
    }
    let mut kept = thread::capabilities(None)?;
    kept.inheritable = CapabilitySet::empty();
    // The change of user needs the others once more, and takes them away.
    if !changes_user {
        kept.effective = CapabilitySet::empty();
        kept.permitted = CapabilitySet::empty();
    }
    thread::set_capabilities(None, kept)?;
    if !filter {
        return Ok(None);
    }
    let applied = super::filter::program()
        .and_then(|program| seccompiler::apply_filter(&program).map_err(|why| why.to_string()));
    Ok(applied.err())
}

#[cfg(not(target_os = "linux"))]
fn seal(filter: bool, _: bool) -> io::Result<Option<String>> {
    Ok(filter.then(|| "this system has none".to_owned()))
}
