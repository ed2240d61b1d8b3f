//! The services' processes: started, killed, started again, as a service manager would.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use jifen_e2e::system::{free_ports, get};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rand::{Rng, rngs::StdRng};

use crate::{
    plan::faults::{Layout, Trap},
    site::{Site, services_of},
};

/// A debug build on a busy machine takes its time.
const READY_PATIENCE: Duration = Duration::from_mins(2);
/// A process that can't start, because a server is just not there, is tried again after this time.
const START_AGAIN: Duration = Duration::from_millis(500);
/// Who was stopped by a failpoint goes on after this time.
const RESUME_AFTER: Duration = Duration::from_millis(2_500);
/// Who is asked to stop has so long: finishing batches, then closing.
const LEAVE_PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// One process, through all its lives.
struct Copy {
    services: Vec<&'static str>,
    http: u16,
    /// Its failpoints: it is started with all that have not sprung yet.
    traps: Vec<Trap>,
    /// It has been started with them.
    armed: bool,
    child: Option<Child>,
    start_at: Instant,
    started: Instant,
    stopped: Option<Instant>,
    killed: bool,
    joined: bool,
}

/// What has happened to processes.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Times that something happened, by what.
    pub counts: BTreeMap<String, u32>,
    /// What should not have happened.
    pub wrong: Vec<String>,
}

impl Tally {
    /// One more of these.
    pub fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }
}

/// All processes of a round.
pub struct Fleet {
    copies: Vec<Copy>,
    folder: PathBuf,
    batch_messages: usize,
    atomic: bool,
    calm: bool,
    /// What has happened.
    pub tally: Tally,
}

impl Fleet {
    /// Starts the processes of a layout, each with its failpoints.
    pub fn start(site: &Site, layout: &Layout, traps: &[Vec<Trap>]) -> Result<Self> {
        let folder = site.folder().join("logs");
        fs::create_dir_all(&folder)?;
        let Layout { batch_messages, atomic, .. } = *layout;
        let mut fleet = Self { copies: Vec::new(), folder, batch_messages, atomic, calm: false, tally: Tally::default() };
        for (place, services) in layout.copies.iter().enumerate() {
            fleet.add(site, services, traps.get(place).cloned().unwrap_or_default(), false)?;
        }
        Ok(fleet)
    }

    fn add(&mut self, site: &Site, services: &[&'static str], traps: Vec<Trap>, joined: bool) -> Result<()> {
        let [http] = free_ports();
        // A failpoint in a service that this process has not got never springs.
        let own = services_of(services);
        let traps = traps.into_iter().map(|trap| Trap { service: own_of(&own, trap.service), ..trap }).collect();
        let now = Instant::now();
        let services = services.to_vec();
        let mut copy =
            Copy { services, http, traps, armed: false, child: None, start_at: now, started: now, stopped: None, killed: false, joined };
        self.launch(site, &mut copy)?;
        self.copies.push(copy);
        Ok(())
    }

    fn log_file(&self, copy: &Copy) -> PathBuf {
        self.folder.join(format!("copy-{}.log", copy.http))
    }

    fn launch(&self, site: &Site, copy: &mut Copy) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.log_file(copy))?;
        let mut command: Command = site.service_command(self.batch_messages, self.atomic);
        copy.armed = !self.calm && !copy.traps.is_empty();
        if copy.armed {
            let traps: Vec<String> = copy.traps.iter().map(ToString::to_string).collect();
            command.env("JIFEN_TEST_FAILPOINT", traps.join(","));
        }
        command.arg("serve").args(&copy.services).env("JIFEN_HTTP_ADDRESS", format!("127.0.0.1:{}", copy.http));
        copy.child = Some(command.stdout(log.try_clone()?).stderr(log).spawn()?);
        (copy.started, copy.stopped, copy.killed) = (Instant::now(), None, false);
        Ok(())
    }

    /// To be called often: whoever has died is started again, whoever was stopped goes on.
    pub fn look(&mut self, site: &Site) -> Result<()> {
        for place in 0..self.copies.len() {
            let mut copy = self.copies.swap_remove(place);
            let looked = self.look_at(site, &mut copy);
            self.copies.push(copy);
            let last = self.copies.len() - 1;
            self.copies.swap(place, last);
            looked?;
        }
        Ok(())
    }

    fn look_at(&mut self, site: &Site, copy: &mut Copy) -> Result<()> {
        let Some(child) = &mut copy.child else {
            return if Instant::now() >= copy.start_at { self.launch(site, copy) } else { Ok(()) };
        };
        if let Some(status) = child.try_wait()? {
            copy.child = None;
            copy.start_at = Instant::now();
            self.died(copy, status);
        } else if is_stopped(child.id()) {
            match copy.stopped {
                None => {
                    copy.stopped = Some(Instant::now());
                    self.tally.count(format!("stop at {}", self.place_of(copy)));
                }
                Some(since) if since.elapsed() > RESUME_AFTER => {
                    signal(child, Signal::SIGCONT);
                    copy.stopped = None;
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn died(&mut self, copy: &mut Copy, status: ExitStatus) {
        match (status.signal(), copy.armed) {
            (Some(9), _) if copy.killed => {}
            (Some(9), true) => {
                let place = self.place_of(copy);
                let sprung = copy.traps.iter().position(|trap| trap.place == place);
                // One for any place bears the name of none.
                let sprung = sprung.or_else(|| copy.traps.iter().position(|trap| trap.place == "any")).unwrap_or(0);
                copy.traps.remove(sprung);
                self.tally.count(format!("kill at {place}"));
            }
            // While it starts it needs both servers, and says so where one is missing: its manager starts it again.
            (None, _) if status.code() == Some(1) => {
                copy.start_at = Instant::now() + START_AGAIN;
                self.tally.count("start again");
            }
            _ => {
                let log = fs::read_to_string(self.log_file(copy)).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(5).collect();
                self.tally.wrong.push(format!("a process of {:?} ended by itself with {status}: {last:#?}", copy.services));
            }
        }
    }

    /// Where the last failpoint was, by the process's own last words.
    fn place_of(&self, copy: &Copy) -> String {
        let log = fs::read_to_string(self.log_file(copy)).unwrap_or_default();
        let last = log.lines().rev().find_map(|line| line.split_once(" failpoint ")?.1.split("place=\"").nth(1)?.split('"').next());
        last.unwrap_or("an unknown place").to_owned()
    }

    /// `kill -9` of every process.
    pub fn kill_all(&mut self) {
        for place in 0..self.copies.len() {
            self.kill_copy(place);
        }
    }

    /// `kill -9` of any process.
    pub fn kill_one(&mut self, rng: &mut StdRng) {
        self.kill_copy(rng.random_range(0..self.copies.len()));
    }

    fn kill_copy(&mut self, place: usize) {
        let copy = &mut self.copies[place];
        if let Some(child) = &mut copy.child
            && matches!(child.try_wait(), Ok(None))
        {
            copy.killed = true;
            signal(child, Signal::SIGKILL);
            self.tally.count("kill at random");
        }
    }

    /// One more process with the services of one that is there.
    pub fn join(&mut self, site: &Site, rng: &mut StdRng) -> Result<()> {
        let services = self.copies[rng.random_range(0..self.copies.len())].services.clone();
        self.tally.count("join");
        self.add(site, &services, Vec::new(), true)
    }

    /// One process leaves as it should; nothing if each is the only one of a service.
    pub async fn leave(&mut self, rng: &mut StdRng, disturbed: bool) -> Result<()> {
        let alive = |copy: &Copy| copy.child.is_some() && copy.stopped.is_none();
        let spare = |place: &usize| {
            let others = |service| {
                self.copies
                    .iter()
                    .enumerate()
                    .any(|(other, copy)| other != *place && alive(copy) && services_of(&copy.services).contains(&service))
            };
            alive(&self.copies[*place]) && services_of(&self.copies[*place].services).into_iter().all(others)
        };
        let spare: Vec<usize> = (0..self.copies.len()).filter(spare).collect();
        let Some(place) = spare.get(rng.random_range(0..spare.len().max(1))).copied() else { return Ok(()) };
        let mut copy = self.copies.remove(place);
        let Some(mut child) = copy.child.take() else { return Ok(()) };
        // Before it listens for signals there is nothing that it could finish.
        let was_ready = is_ready(copy.http).await;
        signal(&child, Signal::SIGTERM);
        let (since, mut halted) = (Instant::now(), Duration::ZERO);
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if since.elapsed() > LEAVE_PATIENCE + halted {
                signal(&child, Signal::SIGKILL);
                self.tally.wrong.push(format!("a process of {:?} did not stop within {LEAVE_PATIENCE:?}", copy.services));
                break child.wait()?;
            }
            // A failpoint may stop it on its way out, and nobody else looks at it any more.
            if is_stopped(child.id()) {
                match copy.stopped {
                    None => copy.stopped = Some(Instant::now()),
                    Some(since) if since.elapsed() > RESUME_AFTER => {
                        signal(&child, Signal::SIGCONT);
                        (copy.stopped, halted) = (None, halted + since.elapsed());
                    }
                    Some(_) => {}
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        copy.stopped = None;
        let trapped = copy.armed && status.signal() == Some(9);
        if was_ready && !trapped && !disturbed && !status.success() {
            self.tally.wrong.push(format!("a process of {:?} was asked to stop and ended with {status}", copy.services));
        }
        self.tally.count(if trapped { "kill while leaving" } else { "leave" });
        if !copy.joined {
            // It comes back, with the failpoints that it still has.
            copy.start_at = Instant::now() + START_AGAIN;
            self.copies.push(copy);
        }
        Ok(())
    }

    /// Kills all of them; who is started from now on has these failpoints.
    pub fn arm(&mut self, traps: &[Vec<Trap>]) {
        self.calm = false;
        for (place, copy) in self.copies.iter_mut().enumerate() {
            let own = services_of(&copy.services);
            let given = traps.get(place).cloned().unwrap_or_default();
            copy.traps = given.into_iter().map(|trap| Trap { service: own_of(&own, trap.service), ..trap }).collect();
        }
        self.kill_all();
    }

    /// From now on nobody is started with a failpoint.
    pub fn calm(&mut self) {
        self.calm = true;
    }

    /// The process ids of those that run.
    pub fn pids(&self) -> Vec<u32> {
        self.copies.iter().filter_map(|copy| copy.child.as_ref()).map(Child::id).collect()
    }

    /// Waits until every process is ready.
    pub async fn wait_until_ready(&mut self, site: &Site) -> Result<()> {
        let since = Instant::now();
        loop {
            self.look(site)?;
            if self.all_ready().await {
                return Ok(());
            }
            if since.elapsed() > READY_PATIENCE {
                bail!("the processes are not ready within {READY_PATIENCE:?}");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whether all processes run and say that they are ready.
    pub async fn all_ready(&self) -> bool {
        for copy in &self.copies {
            if copy.child.is_none() || !is_ready(copy.http).await {
                return false;
            }
        }
        true
    }

    /// Ends all of them, and looks for panics in what they have said.
    pub fn end(mut self) -> Tally {
        self.end_all();
        let logs = self.copies.iter().map(|copy| self.log_file(copy)).collect::<Vec<_>>();
        for log in logs {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let panics = text.lines().filter(|line| line.contains("panicked at"));
            self.tally.wrong.extend(panics.map(|line| format!("{}: {line}", log.display())));
        }
        std::mem::take(&mut self.tally)
    }

    fn end_all(&mut self) {
        for child in self.copies.iter_mut().filter_map(|copy| copy.child.as_mut()) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.end_all();
    }
}

/// The service meant, or one that the process has.
fn own_of(own: &[&'static str], meant: &'static str) -> &'static str {
    let place = meant.bytes().map(usize::from).sum::<usize>() % own.len();
    if own.contains(&meant) { meant } else { own[place] }
}

async fn is_ready(port: u16) -> bool {
    get(&format!("127.0.0.1:{port}"), "/readyz").await.is_some_and(|text| text.starts_with("HTTP/1.1 200"))
}

fn signal(child: &Child, signal: Signal) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // One that has just ended hears nothing, and is found dead at the next look.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// Whether a process is stopped, as the kernel tells it: the letter behind the name in brackets.
fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}
