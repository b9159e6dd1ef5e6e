//! `mflag-service`: an HTTP service that returns the embedding of a film and the scores of its
//! findings.

mod api;
mod network;
mod server;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser};
use mflag_cli::{Common, DeviceArgs, after_help_of_service, run_main};
use mflag_encoder::{BatchOptions, Batcher, Film};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

use crate::api::{Service, router};
use crate::network::{Network, Source};
use crate::server::{Ended, serve};

/// How often freed memory is returned to the system.
const TRIM_TIME: Duration = Duration::from_secs(5);

const EXAMPLES: &str = "Examples:
  mflag-service --model runs/chexpert
  mflag-service --encoder runs/paper/encoder.safetensors --listen 127.0.0.1:9000
  curl --data-binary @film.dcm http://127.0.0.1:8080/film";

/// Return the embeddings of films (JPEG, PNG, DICOM) and the scores of their findings over HTTP
#[derive(Debug, Parser)]
#[command(version, after_help = after_help_of_service(EXAMPLES))]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    network: NetworkArgs,
    /// Address to listen on; port 0 selects a free port
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Largest file, in MiB
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024))]
    max_upload: u32,
    /// Most films in the service at once, from first byte to answer; others get status 503
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=4096))]
    places: u32,
    /// Most connections at once; further clients wait
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=65536))]
    connections: u32,
    /// Most films that the network computes together
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1024))]
    batch: u32,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct NetworkArgs {
    /// Run of mflag-classify, or its model.safetensors: answers have embedding and findings
    #[arg(short, long, value_name = "RUN")]
    model: Option<PathBuf>,
    /// encoder.safetensors of a pre-training run: answers have only the embedding
    #[arg(short, long, value_name = "FILE")]
    encoder: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.common.init();
    run_main(|| run(cli))
}

fn run(cli: Cli) -> Result<ExitCode> {
    let source = match (cli.network.model, cli.network.encoder) {
        (Some(run), _) => Source::Model(run),
        (None, file) => Source::Encoder(file.unwrap_or_default()),
    };
    let network = Network::open(&source, cli.device.into())?;
    let about = Arc::new(network.about());
    let places = cli.places as usize;
    let options = BatchOptions {
        max_batch: cli.batch as usize,
        queue: places,
    };
    let network = Batcher::start(options, move |films: &[Film]| network.answer(films))
        .context("cannot start the network's thread")?;
    let service = Service {
        network: network.clone(),
        about,
        places: Arc::new(Semaphore::new(places)),
        used: Arc::default(),
        max_upload: (cli.max_upload as usize) << 20,
    };
    let runtime = runtime().context("cannot start the service")?;
    runtime.spawn(return_memory(service.clone(), places));
    let ended = runtime.block_on(async {
        let listener = TcpListener::bind(cli.listen)
            .await
            .with_context(|| format!("cannot listen on {}", cli.listen))?;
        println!("listening on http://{}", listener.local_addr()?);
        Ok::<_, anyhow::Error>(serve(listener, router(service), cli.connections).await?)
    });
    // Drops the requests in progress, and does not wait for the film that a thread decodes.
    runtime.shutdown_background();
    let ended = ended?;
    if !network.is_alive() {
        anyhow::bail!("the network's thread panicked");
    }
    println!("stopped");
    Ok(match ended {
        Ended::Answered => ExitCode::SUCCESS,
        Ended::Dropped => ExitCode::FAILURE,
    })
}

/// Two threads for connections, and one for each core for decoding.
fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(available_parallelism().map_or(1, usize::from))
        .enable_all()
        .build()
}

/// Returns the memory of films to the system, once none of the `places` is taken.
async fn return_memory(service: Service, places: usize) {
    loop {
        tokio::time::sleep(TRIM_TIME).await;
        if !service.used.swap(false, Ordering::Relaxed) {
            continue;
        }
        if service.places.available_permits() == places {
            // A fault only costs memory, and the next film tries again.
            let _ = tokio::task::spawn_blocking(mflag_train::shim::return_memory).await;
        } else {
            service.used.store(true, Ordering::Relaxed);
        }
    }
}
