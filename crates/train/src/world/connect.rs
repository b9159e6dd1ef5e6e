//! How the ranks find each other.

use std::net::UdpSocket;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use mflag_core::launch::Launch;

use super::{Inner, TIMEOUT, World};
use crate::error::{Error, Result};
use crate::shim::c10d::{Group, Listen, Store};

/// How long a rank waits for the others to start.
pub(super) const START: Duration = Duration::from_secs(300);

/// Time between two looks at the store.
pub(super) const POLL: Duration = Duration::from_millis(50);

/// PyTorch's variable for the network interface that Gloo uses.
const INTERFACE: &str = "GLOO_SOCKET_IFNAME";

impl World {
    /// Connects this process with the others that were started with it. `None` if there are none.
    /// Waits for them for at most five minutes.
    ///
    /// # Errors
    /// If the environment is wrong, rank 0 cannot be reached, or a rank does not arrive.
    pub fn join() -> Result<Option<World>> {
        let launch = Launch::from_environment()?;
        let several = launch.filter(|launch| !launch.is_alone());
        several
            .map(|launch| World::connect(launch, START))
            .transpose()
    }

    /// Checks that this process was not started together with others, for a program that trains in
    /// one process.
    ///
    /// # Errors
    /// If it was, or the environment is wrong.
    pub fn refuse(program: &str) -> Result<()> {
        let launch = Launch::from_environment()?;
        match launch.filter(|launch| !launch.is_alone()) {
            None => Ok(()),
            Some(launch) => Err(Error::Launch(format!(
                "{program} trains in one process, but {} has started {}: start it without, or with one",
                launch.launcher.name(),
                launch.world_size
            ))),
        }
    }

    /// As [`World::join`], with another time to wait.
    ///
    /// # Errors
    /// As [`World::join`].
    pub fn connect(launch: Launch, timeout: Duration) -> Result<World> {
        let store = open_store(&launch, timeout)?;
        wait_for_all(&store, &launch, timeout)?;
        let interface = std::env::var(INTERFACE)
            .ok()
            .filter(|name| !name.is_empty());
        let address = own_address(&launch)?;
        let listen = match &interface {
            Some(interface) => Listen::Interface(interface),
            None => Listen::Address(&address),
        };
        let ranks = (launch.rank, launch.world_size);
        let group = Group::connect(&store, ranks, &listen, TIMEOUT);
        let group = group.map_err(|error| {
            Error::Launch(format!(
                "rank {} listens at {listen:?} and cannot connect to the other ranks ({error}): if that \
                 is the wrong network, set {INTERFACE} to the name of the right one",
                launch.rank
            ))
        })?;
        Ok(World(Arc::new(Inner {
            launch,
            store,
            group,
            failure: OnceLock::new(),
        })))
    }
}

/// Rank 0 serves the store, unless the launcher does.
fn open_store(launch: &Launch, timeout: Duration) -> Result<Store> {
    let serve = launch.rank == 0 && !launch.launcher_serves;
    let place = (launch.master_host.as_str(), launch.master_port);
    // After a restart, the launcher's store still holds the keys of the attempt before.
    let prefix = format!("mflag/{}", launch.restart);
    Store::open(place, serve, &prefix, timeout).map_err(|error| {
        let Launch {
            rank,
            master_host,
            master_port,
            ..
        } = launch;
        let what = if serve {
            "cannot listen at port MASTER_PORT: another program may use it, so set another"
        } else {
            "cannot reach rank 0 at MASTER_ADDR:MASTER_PORT: check that rank 0 has started and that no \
             firewall closes the port"
        };
        Error::Launch(format!(
            "rank {rank} {what} ({master_host}:{master_port}, after {} s: {error})",
            timeout.as_secs()
        ))
    })
}

fn wait_for_all(store: &Store, launch: &Launch, timeout: Duration) -> Result<()> {
    let key = |rank: usize| format!("started/{rank}");
    store.set(&key(launch.rank), &[])?;
    let end = Instant::now() + timeout;
    let mut missing: Vec<usize> = (0..launch.world_size).collect();
    loop {
        let mut waiting = Vec::new();
        for rank in missing {
            if store.get(&key(rank))?.is_none() {
                waiting.push(rank);
            }
        }
        if waiting.is_empty() {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(Error::Launch(format!(
                "of {} ranks, {} did not start within {} s: look at their logs, and check that all \
                 hosts have the same WORLD_SIZE, MASTER_ADDR and MASTER_PORT",
                launch.world_size,
                listed(&waiting),
                timeout.as_secs()
            )));
        }
        missing = waiting;
        std::thread::sleep(POLL);
    }
}

/// The address of this host in the network that leads to rank 0.
fn own_address(launch: &Launch) -> Result<String> {
    let place = (launch.master_host.as_str(), launch.master_port);
    // Connecting such a socket sends nothing; the system only chooses the interface.
    let address = |any: &str| {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(place)?;
        socket.local_addr()
    };
    let address = address("0.0.0.0").or_else(|_| address("::"));
    let address = address.map_err(|error| {
        Error::Launch(format!(
            "MASTER_ADDR {} is not reachable from this host: {error}",
            launch.master_host
        ))
    })?;
    Ok(address.ip().to_string())
}

/// `ranks 1, 2 and 5`, or `rank 3`.
pub(super) fn listed(ranks: &[usize]) -> String {
    let names: Vec<String> = ranks.iter().map(ToString::to_string).collect();
    match &names[..] {
        [one] => format!("rank {one}"),
        [first @ .., last] => format!("ranks {} and {last}", first.join(", ")),
        [] => "no rank".to_owned(),
    }
}
