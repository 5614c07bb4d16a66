//! Progress on stderr: one updating line on a terminal, else JSON lines; or only warnings.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::render;
use crate::clock::Clock;
use crate::escape::{self, one_line};
use crate::progress::Progress;

/// The rate is that of the last half minute: it follows a change, and one stall does not show.
const WINDOW: Duration = Duration::from_secs(30);
/// A line this long does not wrap; a wrapped one could not be cleared.
const LINE_LEN: usize = 78;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// One line, rewritten in place, without colour or escape codes.
    Terminal,
    JsonLines,
    /// Warnings alone, as text.
    Quiet,
}

impl Style {
    fn interval(self) -> Duration {
        match self {
            Self::Terminal => Duration::from_millis(200),
            Self::JsonLines => Duration::from_secs(10),
            Self::Quiet => Duration::MAX,
        }
    }
}

/// Shows progress; [`Reporter::finish`] ends it.
pub(super) struct Reporter {
    style: Style,
    clock: Arc<dyn Clock>,
    began: Instant,
    /// Bytes of the current phase. Beside the lock, so that [`Progress::advance`] stays cheap.
    done: AtomicU64,
    /// When the next update is due, in milliseconds since `began`.
    due: AtomicU64,
    state: Mutex<State>,
}

struct State {
    sink: Box<dyn Write + Send>,
    meter: Option<Meter>,
    /// Length of the line on the terminal, in characters.
    shown: usize,
    finished: bool,
}

impl Reporter {
    /// What suits this process's stderr.
    pub(super) fn on_stderr(quiet: bool, clock: Arc<dyn Clock>) -> Self {
        let style = match (quiet, io::stderr().is_terminal()) {
            (true, _) => Style::Quiet,
            (false, true) => Style::Terminal,
            (false, false) => Style::JsonLines,
        };
        Self::new(style, Box::new(io::stderr()), clock)
    }

    pub(super) fn new(style: Style, sink: Box<dyn Write + Send>, clock: Arc<dyn Clock>) -> Self {
        Self {
            style,
            clock,
            began: Instant::now(),
            done: AtomicU64::new(0),
            due: AtomicU64::new(0),
            state: Mutex::new(State {
                sink,
                meter: None,
                shown: 0,
                finished: false,
            }),
        }
    }

    /// Clears the line; nothing is shown after this.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        state.clear();
        state.meter = None;
        state.finished = true;
    }

    // After a panic of another thread the state is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In milliseconds since `began`.
    fn next_update(&self, now: Duration) -> u64 {
        millis(now.saturating_add(self.style.interval()))
    }

    /// Shows how far the current phase is.
    fn update(&self, now: Duration) {
        let mut state = self.lock();
        let done = self.done.load(Ordering::Relaxed);
        if state.finished {
            return;
        }
        let Some(meter) = &mut state.meter else {
            return;
        };
        meter.sample(now, done);
        match self.style {
            Style::Terminal => {
                let line = meter.line(done);
                state.show(&line);
            }
            Style::JsonLines => {
                let event = meter.event(done);
                state.json("progress", event, &*self.clock);
            }
            Style::Quiet => {}
        }
    }

    fn message(&self, event: &str, text: &str) {
        let text = one_line(text);
        let mut state = self.lock();
        match self.style {
            Style::JsonLines => state.json(event, json!({ "message": text }), &*self.clock),
            Style::Terminal | Style::Quiet => {
                state.clear();
                state.write(&format!("{event}: {text}\n"));
            }
        }
    }
}

impl Progress for Reporter {
    fn phase(&self, name: &str, total_bytes: Option<u64>) {
        let now = self.began.elapsed();
        {
            let mut state = self.lock();
            self.done.store(0, Ordering::Relaxed);
            let meter = Meter::new(name, total_bytes, now);
            let event = json!({ "phase": meter.phase, "total_bytes": total_bytes });
            state.meter = Some(meter);
            if self.style == Style::JsonLines {
                state.json("phase", event, &*self.clock);
            }
        }
        self.due.store(self.next_update(now), Ordering::Relaxed);
        if self.style == Style::Terminal {
            self.update(now);
        }
    }

    fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
        let now = self.began.elapsed();
        let due = self.due.load(Ordering::Relaxed);
        if millis(now) < due || self.style == Style::Quiet {
            return;
        }
        let next = self.next_update(now);
        // Of several threads at the same moment one shows it.
        let mine = self
            .due
            .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed);
        if mine.is_ok() {
            self.update(now);
        }
    }

    fn note(&self, line: &str) {
        if self.style != Style::Quiet {
            self.message("note", line);
        }
    }

    fn warn(&self, line: &str) {
        self.message("warning", line);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl State {
    fn show(&mut self, line: &str) {
        let blank = self.shown.saturating_sub(line.chars().count());
        self.shown = line.chars().count();
        self.write(&format!("\r{line}{}", " ".repeat(blank)));
    }

    fn clear(&mut self) {
        if self.shown > 0 {
            let blank = " ".repeat(std::mem::take(&mut self.shown));
            self.write(&format!("\r{blank}\r"));
        }
    }

    fn json(&mut self, event: &str, mut fields: Value, clock: &dyn Clock) {
        fields["event"] = event.into();
        let time = clock.now().strftime("%Y-%m-%dT%H:%M:%SZ");
        fields["time"] = time.to_string().into();
        self.write(&format!("{}\n", escape::json(&fields)));
    }

    fn write(&mut self, text: &str) {
        // Progress that nobody can see must not end the work.
        let _ = self.sink.write_all(text.as_bytes());
        let _ = self.sink.flush();
    }
}

/// One phase: how far, how fast, how long still.
struct Meter {
    phase: String,
    total: Option<u64>,
    /// When, and how many bytes then; the newest last.
    samples: VecDeque<(Duration, u64)>,
}

impl Meter {
    fn new(phase: &str, total: Option<u64>, now: Duration) -> Self {
        Self {
            phase: one_line(phase).into_owned(),
            total,
            samples: VecDeque::from([(now, 0)]),
        }
    }

    fn sample(&mut self, now: Duration, done: u64) {
        self.samples.push_back((now, done));
        // The oldest one kept is as old as the window or older.
        while self
            .samples
            .get(1)
            .is_some_and(|(at, _)| now.saturating_sub(*at) >= WINDOW)
        {
            self.samples.pop_front();
        }
    }

    /// Bytes a second.
    fn rate(&self) -> Option<u64> {
        let ((from, before), (to, after)) = (self.samples.front()?, self.samples.back()?);
        let seconds = to.saturating_sub(*from).as_secs_f64();
        (seconds > 0.0).then(|| (after.saturating_sub(*before) as f64 / seconds) as u64)
    }

    /// `None` where the total is unknown, was too low, or nothing moves.
    fn left(&self, done: u64) -> Option<Duration> {
        let left = self.total?.checked_sub(done)?;
        let rate = self.rate().filter(|rate| *rate > 0)?;
        Some(Duration::from_secs(left.div_ceil(rate)))
    }

    fn line(&self, done: u64) -> String {
        let mut line = self.phase.clone();
        if done > 0 || self.total.is_some() {
            line += &format!("  {}", render::bytes(done));
        }
        // Totals are estimates: one that proved too low is no longer shown.
        if let Some(total) = self.total.filter(|total| *total >= done && *total > 0) {
            let percent = u128::from(done) * 100 / u128::from(total);
            line += &format!(" of {} ({percent} %)", render::bytes(total));
        }
        if let Some(rate) = self.rate().filter(|rate| *rate > 0) {
            line += &format!("  {}/s", render::bytes(rate));
        }
        if let Some(left) = self.left(done).filter(|left| !left.is_zero()) {
            line += &format!("  {} left", render::rough(left));
        }
        line.chars().take(LINE_LEN).collect()
    }

    fn event(&self, done: u64) -> Value {
        json!({
            "phase": self.phase,
            "bytes": done,
            "total_bytes": self.total,
            "bytes_per_second": self.rate(),
            "seconds_left": self.left(done).map(|left| left.as_secs()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Shared {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn reporter(style: Style) -> (Reporter, Shared) {
        let sink = Shared::default();
        let clock = Arc::new(SystemClock);
        (Reporter::new(style, Box::new(sink.clone()), clock), sink)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_line_shows_share_rate_and_time_left() {
        let mut meter = Meter::new("tables", Some(100 << 20), Duration::ZERO);
        meter.sample(10 * SECOND, 20 << 20);
        assert_eq!(
            meter.line(20 << 20),
            "tables  20.0 MiB of 100.0 MiB (20 %)  2.0 MiB/s  40 s left"
        );
        let event = meter.event(20 << 20);
        assert_eq!(event["bytes_per_second"], 2 << 20);
        assert_eq!(event["seconds_left"], 40);
    }

    #[test]
    fn an_estimate_that_was_too_low_promises_nothing() {
        let mut meter = Meter::new("tables", Some(10), Duration::ZERO);
        meter.sample(SECOND, 2048);
        assert_eq!(meter.line(2048), "tables  2.0 KiB  2.0 KiB/s");
        assert_eq!(meter.event(2048)["seconds_left"], Value::Null);
    }

    #[test]
    fn the_rate_follows_the_last_half_minute() {
        let mut meter = Meter::new("tables", None, Duration::ZERO);
        for second in 1..=60 {
            let done = if second <= 25 {
                0
            } else {
                u64::from(second) * 100
            };
            meter.sample(second * SECOND, done);
        }
        assert_eq!(meter.rate(), Some(100));
        assert!(meter.samples.len() <= 31);
    }

    #[test]
    fn a_note_clears_the_line_before_it() {
        let (reporter, sink) = reporter(Style::Terminal);
        reporter.phase("indexes", None);
        reporter.note("hello");
        reporter.finish();
        reporter.advance(1 << 30);
        assert_eq!(sink.text(), "\rindexes\r       \rnote: hello\n");
    }

    #[test]
    fn json_lines_are_throttled_and_readable() {
        let (reporter, sink) = reporter(Style::JsonLines);
        reporter.phase("tables", Some(5000));
        for _ in 0..1000 {
            reporter.advance(5);
        }
        reporter.warn("odd\nthing");
        let text = sink.text();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2, "no progress line within ten seconds");
        assert_eq!(
            (&lines[0]["event"], &lines[0]["total_bytes"]),
            (&json!("phase"), &json!(5000))
        );
        assert_eq!(lines[1]["message"], r"odd\nthing");
        assert!(lines.iter().all(|line| line["time"].is_string()));
    }

    #[test]
    fn quiet_leaves_warnings() {
        let (reporter, sink) = reporter(Style::Quiet);
        reporter.phase("tables", None);
        reporter.advance(1);
        reporter.note("nothing");
        reporter.warn("the key lies here");
        reporter.finish();
        assert_eq!(sink.text(), "warning: the key lies here\n");
    }
}
