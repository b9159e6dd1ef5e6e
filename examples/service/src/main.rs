//! `mflag-service`: answers films over HTTP with their embedding and the scores of their findings.

mod api;
mod network;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use clap::{Args, Parser};
use mflag_cli::{Common, DeviceArgs, after_help_of_service, run_main};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::network::Source;
use crate::worker::{Options, Worker};

/// How long films on their way may take once the service is asked to end.
const GRACE: Duration = Duration::from_secs(30);

const EXAMPLES: &str = "Examples:
  mflag-service --model runs/chexpert
  mflag-service --encoder runs/paper/encoder.safetensors --listen 127.0.0.1:9000
  curl --data-binary @film.dcm http://127.0.0.1:8080/film";

/// Answer films (JPEG, PNG, DICOM) over HTTP with their embedding and the scores of their findings
#[derive(Debug, Parser)]
#[command(version, after_help = after_help_of_service(EXAMPLES))]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    network: NetworkArgs,
    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Largest file, in MiB
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024))]
    max_upload: u32,
    /// Films at once, from the first byte to the answer; more are told to come again
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=4096))]
    places: u32,
    /// Films that go through the network together, if as many wait
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1024))]
    batch: u32,
    #[command(flatten)]
    on: DeviceArgs,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct NetworkArgs {
    /// Run of mflag-classify, or its model.safetensors: embeddings and findings
    #[arg(short, long, value_name = "RUN")]
    model: Option<PathBuf>,
    /// encoder.safetensors of a pre-training run: embeddings alone
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
    let options = Options {
        on: cli.on.into(),
        waiting: cli.places as usize,
        batch: cli.batch as usize,
    };
    let (worker, thread) = Worker::start(source, options)?;
    let router = api::router(worker, options.waiting, (cli.max_upload as usize) << 20);
    let decoders = available_parallelism().map_or(1, usize::from);
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(decoders)
        .enable_all()
        .build()
        .context("the service cannot start")?;
    let served = runtime.block_on(serve(cli.listen, router));
    // Drops what is left of requests, and with it the last ways to the network.
    runtime.shutdown_timeout(Duration::from_secs(1));
    served?;
    if thread.join().is_err() {
        anyhow::bail!("the network's thread met a fault of its own");
    }
    println!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Serves until SIGINT or SIGTERM, then answers what is on its way.
async fn serve(listen: SocketAddr, router: Router) -> Result<()> {
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    let (asked, late) = (signalled()?, signalled()?);
    println!("listening on http://{}", listener.local_addr()?);
    let server = axum::serve(listener, router).with_graceful_shutdown(asked);
    tokio::select! {
        ended = server => ended?,
        () = async { late.await; tokio::time::sleep(GRACE).await } => {
            tracing::warn!("films on their way took more than {} s: left", GRACE.as_secs());
        }
    }
    Ok(())
}

/// Waits for SIGINT or SIGTERM, from now on.
fn signalled() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
