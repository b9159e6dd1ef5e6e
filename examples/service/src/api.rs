//! The routes of the service.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use mflag_encoder::{Batcher, Film, Limits};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::network::{About, Answer};

/// How long the upload of a film may take.
const UPLOAD_TIME: Duration = Duration::from_secs(30);

/// How long an upload may stand still.
const STILL_TIME: Duration = Duration::from_secs(5);

/// Limits of decoding, because a small file can claim a huge picture.
const DECODING: Limits = Limits {
    side: 16_384,
    bytes: 256 << 20,
};

/// The message for requests to anything else.
const ROUTES: &str = "the routes are GET /health and POST /film";

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Service {
    /// The thread that owns the network, and the queue to it.
    pub(crate) network: Batcher<Film, Answer, anyhow::Error>,
    /// A description of the network.
    pub(crate) about: Arc<About>,
    /// One permit for each film in the service, from its first byte to the answer.
    pub(crate) places: Arc<Semaphore>,
    /// Whether a place was taken since freed memory was last returned to the system.
    pub(crate) used: Arc<AtomicBool>,
    /// The largest file, in bytes.
    pub(crate) max_upload: usize,
}

/// The routes `GET /health` and `POST /film`.
pub(crate) fn router(service: Service) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/film", post(film))
        .fallback(|| refuse(StatusCode::NOT_FOUND, ROUTES))
        .method_not_allowed_fallback(|| refuse(StatusCode::METHOD_NOT_ALLOWED, ROUTES))
        .with_state(service)
}

/// Whether the service answers films, and what its answers contain.
async fn health(State(service): State<Service>) -> Response {
    let (status, text) = if service.network.is_alive() {
        (StatusCode::OK, "ok")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the network's thread has ended",
        )
    };
    let body = json!({
        "status": text,
        "width": service.about.width,
        "labels": service.about.labels,
        "free_places": service.places.available_permits(),
    });
    (status, Json(body)).into_response()
}

/// The embedding and findings of the film in the body, a JPEG, PNG or DICOM file.
async fn film(State(service): State<Service>, request: Request) -> Result<Json<Answer>, Refusal> {
    // A place is taken before the body is read, so that places bound the bodies in memory.
    let Ok(place) = service.places.clone().try_acquire_owned() else {
        discard(request).await;
        let busy = "all places are taken; try again".to_owned();
        return Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, busy));
    };
    service.used.store(true, Ordering::Relaxed);
    let file = upload(request, service.max_upload).await?;
    let preprocess = service.about.preprocess;
    // Decoding keeps a core busy, so it runs outside the threads that listen. The place goes along:
    // if the client disconnects, the place becomes free only when the file has left the memory.
    let decode = move || (preprocess.square.decode(&file, &DECODING), place);
    let decoded = tokio::task::spawn_blocking(decode);
    let (square, _place) = decoded.await.map_err(|e| Refusal::internal(&e.into()))?;
    let square = square.map_err(|reason| {
        Refusal(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("the film {reason}"),
        )
    })?;
    let warnings = square.remarks.iter().map(ToString::to_string).collect();
    let film = preprocess.resized(square);
    let film = film.map_err(|e| Refusal::internal(&e.into()))?;
    let answer = service.network.call(film).await;
    let mut answer = answer.map_err(|e| Refusal::internal(&e))?;
    answer.warnings = warnings;
    Ok(Json(answer))
}

/// Reads the body, if it is small enough and arrives in time.
async fn upload(request: Request, max_upload: usize) -> Result<Bytes, Refusal> {
    let too_large = || {
        let problem = format!("the file has more than the limit of {max_upload} bytes");
        Refusal(StatusCode::PAYLOAD_TOO_LARGE, problem)
    };
    // If the header announces a body that is too large, it is refused before it is sent.
    if request.body().size_hint().lower() > max_upload as u64 {
        return Err(too_large());
    }
    let mut body = request.into_body();
    let read = async {
        let mut file = Vec::new();
        while let Some(bytes) = next_bytes(&mut body).await? {
            if file.len() + bytes.len() > max_upload {
                return Err(too_large());
            }
            file.extend_from_slice(&bytes);
        }
        Ok(Bytes::from(file))
    };
    timeout(UPLOAD_TIME, read)
        .await
        .unwrap_or_else(|_| Err(slow("the file did not arrive", UPLOAD_TIME)))
}

/// The next bytes of a body. `None` at its end.
async fn next_bytes(body: &mut Body) -> Result<Option<Bytes>, Refusal> {
    loop {
        let next = poll_fn(|waker| Pin::new(&mut *body).poll_frame(waker));
        let frame = match timeout(STILL_TIME, next).await {
            Err(_) => return Err(slow("no part of the file arrived", STILL_TIME)),
            Ok(None) => return Ok(None),
            Ok(Some(Err(e))) => return Err(Refusal(StatusCode::BAD_REQUEST, e.to_string())),
            Ok(Some(Ok(frame))) => frame,
        };
        // Other frames are trailers.
        if let Ok(bytes) = frame.into_data() {
            return Ok(Some(bytes));
        }
    }
}

/// The refusal of a file that arrives too slowly.
fn slow(reason: &str, time: Duration) -> Refusal {
    let problem = format!("{reason} within {} s", time.as_secs());
    Refusal(StatusCode::REQUEST_TIMEOUT, problem)
}

/// Reads the body without keeping it, because many clients read the answer only after they have
/// sent their file. A client that asks before it sends (`Expect: 100-continue`) gets the answer at
/// once.
async fn discard(request: Request) {
    if request.headers().contains_key(header::EXPECT) {
        return;
    }
    let mut body = request.into_body();
    let read = async { while let Ok(Some(_)) = next_bytes(&mut body).await {} };
    // After a timeout, the client is answered all the same.
    let _ = timeout(UPLOAD_TIME, read).await;
}

/// The answer to a request for another route.
async fn refuse(status: StatusCode, reason: &str) -> Refusal {
    Refusal(status, reason.to_owned())
}

/// A status other than 200, and its reason.
struct Refusal(StatusCode, String);

impl Refusal {
    /// A fault of the service, which is also logged.
    fn internal(error: &anyhow::Error) -> Refusal {
        tracing::error!("{error:#}");
        Refusal(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Refusal(status, error) = self;
        let mut response = (status, Json(json!({ "error": error }))).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
