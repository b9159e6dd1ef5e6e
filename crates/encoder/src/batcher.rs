//! Lets many threads and async tasks share one model: a thread owns the model, and requests that
//! wait at the same time are computed together.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use async_channel::{Receiver, Sender, bounded};

/// The limits of a [`Batcher`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchOptions {
    /// The most inputs that are computed together, at least 1.
    pub max_batch: usize,
    /// The most inputs that wait, at least 1. Callers beyond that wait until there is room, so that
    /// this bounds memory.
    pub queue: usize,
}

impl Default for BatchOptions {
    /// Batches of up to 8, and up to 32 waiting inputs.
    fn default() -> BatchOptions {
        BatchOptions {
            max_batch: 8,
            queue: 32,
        }
    }
}

/// The error of a [`Batcher`] whose thread has ended because the model panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the model's thread has ended")]
pub struct Closed;

/// A handle to a thread that owns a model.
///
/// The handle is `Send`, `Sync` and cheap to clone. Dropping the last handle waits for the batch in
/// progress and ends the thread. The futures depend on no async runtime.
///
/// ```
/// use mflag_encoder::{BatchOptions, Batcher, Closed};
///
/// // Any function from a batch of inputs to as many outputs is a model.
/// let double = |batch: &[i32]| Ok::<_, Closed>(batch.iter().map(|x| 2 * x).collect());
/// let batcher = Batcher::start(BatchOptions::default(), double)?;
/// let another = batcher.clone();
/// let thread = std::thread::spawn(move || another.call_blocking(3));
/// assert_eq!(batcher.call_blocking(4), Ok(8));
/// assert_eq!(thread.join().unwrap(), Ok(6));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Batcher<I, O, E> {
    worker: Arc<Worker<I, O, E>>,
}

/// The thread, and the queue to it.
struct Worker<I, O, E> {
    requests: Sender<Request<I, O, E>>,
    thread: Option<JoinHandle<()>>,
}

/// An input, and the channel for its output.
struct Request<I, O, E> {
    input: I,
    reply: Sender<Result<O, E>>,
}

impl<I, O, E> Batcher<I, O, E>
where
    I: Send + 'static,
    O: Send + 'static,
    E: From<Closed> + Send + 'static,
{
    /// Moves `model` to a thread of its own. The model gets 1 to `max_batch` inputs and returns one
    /// output for each, in their order.
    ///
    /// If the model fails on a batch of several inputs, it is called again with each alone, so that
    /// one caller's input cannot spoil another's.
    ///
    /// # Errors
    /// If the operating system cannot start a thread.
    pub fn start(
        options: BatchOptions,
        model: impl FnMut(&[I]) -> Result<Vec<O>, E> + Send + 'static,
    ) -> io::Result<Batcher<I, O, E>> {
        let (requests, waiting) = bounded(options.queue.max(1));
        let max_batch = options.max_batch.max(1);
        let thread = Builder::new()
            .name("model".to_owned())
            .spawn(move || serve(&waiting, max_batch, model))?;
        Ok(Batcher {
            worker: Arc::new(Worker {
                requests,
                thread: Some(thread),
            }),
        })
    }

    /// The output for `input`. Waits for room in the queue, then for the output. If the future is
    /// dropped, an input that still waits is not computed.
    ///
    /// # Errors
    /// The model's error, or [`Closed`] if the model has panicked.
    pub async fn call(&self, input: I) -> Result<O, E> {
        let (request, output) = Request::new(input);
        let sent = self.worker.requests.send(request).await;
        sent.map_err(|_| Closed)?;
        output.recv().await.map_err(|_| Closed)?
    }

    /// Like [`call`](Batcher::call), but blocks the thread: not for async code.
    ///
    /// # Errors
    /// The model's error, or [`Closed`] if the model has panicked.
    pub fn call_blocking(&self, input: I) -> Result<O, E> {
        let (request, output) = Request::new(input);
        let sent = self.worker.requests.send_blocking(request);
        sent.map_err(|_| Closed)?;
        output.recv_blocking().map_err(|_| Closed)?
    }

    /// Whether the thread still runs. It ends early only if the model panics.
    pub fn is_alive(&self) -> bool {
        !self.worker.requests.is_closed()
    }
}

impl<I, O, E> Request<I, O, E> {
    fn new(input: I) -> (Request<I, O, E>, Receiver<Result<O, E>>) {
        let (reply, output) = bounded(1);
        (Request { input, reply }, output)
    }
}

impl<I, O, E> Clone for Batcher<I, O, E> {
    fn clone(&self) -> Self {
        Batcher {
            worker: self.worker.clone(),
        }
    }
}

impl<I, O, E> fmt::Debug for Batcher<I, O, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batcher").finish_non_exhaustive()
    }
}

impl<I, O, E> Drop for Worker<I, O, E> {
    fn drop(&mut self) {
        self.requests.close();
        if let Some(thread) = self.thread.take() {
            // A panic was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// Computes waiting requests in batches until the queue is closed.
fn serve<I, O, E>(
    requests: &Receiver<Request<I, O, E>>,
    max_batch: usize,
    mut model: impl FnMut(&[I]) -> Result<Vec<O>, E>,
) {
    while let Ok(first) = requests.recv_blocking() {
        let others = std::iter::from_fn(|| requests.try_recv().ok());
        let (inputs, replies): (Vec<I>, Vec<_>) = std::iter::once(first)
            .chain(others)
            // Leaves out requests whose callers no longer wait.
            .filter(|request| !request.reply.is_closed())
            .take(max_batch)
            .map(|request| (request.input, request.reply))
            .unzip();
        if !inputs.is_empty() {
            answer(&inputs, &replies, &mut model);
        }
    }
}

fn answer<I, O, E>(
    inputs: &[I],
    replies: &[Sender<Result<O, E>>],
    model: &mut impl FnMut(&[I]) -> Result<Vec<O>, E>,
) {
    // Sending a reply fails only if the caller no longer waits.
    match (model(inputs), replies) {
        (Ok(outputs), _) => {
            for (reply, output) in replies.iter().zip(outputs) {
                let _ = reply.try_send(Ok(output));
            }
        }
        (Err(error), [reply]) => {
            let _ = reply.try_send(Err(error));
        }
        (Err(_), _) => {
            for (input, reply) in inputs.chunks(1).zip(replies.chunks(1)) {
                answer(input, reply, model);
            }
        }
    }
}
