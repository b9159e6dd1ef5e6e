//! The service's two addresses.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use mflag_film::Limits;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::network::Answer;
use crate::worker::Worker;

/// How long a film may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(30);

/// What decoding may take: a small file can claim a huge picture.
const DECODING: Limits = Limits {
    side: 16_384,
    bytes: 256 << 20,
};

/// What there is to ask for.
const ADDRESSES: &str = "there are GET /health and POST /film";

/// What a request needs.
#[derive(Clone)]
struct Service {
    worker: Worker,
    /// Places for films on their way.
    places: Arc<Semaphore>,
    /// Bytes that a film's file may have.
    upload: usize,
}

/// `GET /health` and `POST /film`, for as many films at once as there are `places`, of at most `upload` bytes each.
pub(crate) fn router(worker: Worker, places: usize, upload: usize) -> Router {
    let service = Service {
        worker,
        places: Arc::new(Semaphore::new(places)),
        upload,
    };
    Router::new()
        .route("/health", get(health))
        .route("/film", post(film))
        .fallback(|| refuse(StatusCode::NOT_FOUND, ADDRESSES))
        .method_not_allowed_fallback(|| refuse(StatusCode::METHOD_NOT_ALLOWED, ADDRESSES))
        .layer(DefaultBodyLimit::max(upload))
        .with_state(service)
}

/// Whether films are answered, and what the answers have.
async fn health(State(service): State<Service>) -> Response {
    let (status, says) = if service.worker.is_alive() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the network has ended")
    };
    let about = &service.worker.about;
    let body = json!({
        "status": says,
        "width": about.width,
        "labels": about.labels,
        "free_places": service.places.available_permits(),
    });
    (status, Json(body)).into_response()
}

/// Embedding and findings of the film that is the body: a JPEG, PNG or DICOM file as it is.
async fn film(State(service): State<Service>, request: Request) -> Result<Json<Answer>, Refusal> {
    // Before the body is read, so that no more bodies than places are in memory.
    let Ok(place) = service.places.clone().try_acquire_owned() else {
        drain(request).await;
        let busy = "too many films are on their way; try again".to_owned();
        return Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, busy));
    };
    let file = arrived(request, service.upload).await?;
    let preprocess = service.worker.about.preprocess;
    // Decoding takes a core for a while: not one of the threads that listen.
    // The place goes along: who hangs up frees it only once the file is gone.
    let square = tokio::task::spawn_blocking(move || (preprocess.decode(&file, &DECODING), place));
    let (square, _place) = square.await.map_err(|e| Refusal::fault(&e.into()))?;
    let square = square.map_err(|e| Refusal(StatusCode::UNPROCESSABLE_ENTITY, e.to_string()))?;
    let answer = service.worker.answer(square).await;
    Ok(Json(answer.map_err(|e| Refusal::fault(&e))?))
}

/// The body, if it is small enough and comes in time.
async fn arrived(request: Request, upload: usize) -> Result<Bytes, Refusal> {
    let too_large = || {
        let problem = format!("the file has more than the limit of {upload} bytes");
        Refusal(StatusCode::PAYLOAD_TOO_LARGE, problem)
    };
    // What says so itself is refused before it is sent.
    if request.body().size_hint().lower() > upload as u64 {
        return Err(too_large());
    }
    match timeout(ARRIVAL, Bytes::from_request(request, &())).await {
        Ok(Ok(file)) => Ok(file),
        Ok(Err(e)) if e.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(too_large()),
        Ok(Err(e)) => Err(Refusal(e.status(), e.body_text())),
        Err(_) => {
            let slow = format!("the file did not arrive within {} s", ARRIVAL.as_secs());
            Err(Refusal(StatusCode::REQUEST_TIMEOUT, slow))
        }
    }
}

/// Reads what is sent, and keeps none of it: many clients hear an answer only once they have sent their file. Who asks before
/// sending (`Expect: 100-continue`) hears it at once.
async fn drain(request: Request) {
    if request.headers().contains_key(header::EXPECT) {
        return;
    }
    let mut body = request.into_body();
    let sent = async {
        while let Some(Ok(_)) = poll_fn(|waker| Pin::new(&mut body).poll_frame(waker)).await {}
    };
    // Who is slower is answered all the same.
    let _ = timeout(ARRIVAL, sent).await;
}

/// An answer to what is no request for a film.
async fn refuse(status: StatusCode, why: &str) -> Refusal {
    Refusal(status, why.to_owned())
}

/// Why there is no answer.
struct Refusal(StatusCode, String);

impl Refusal {
    /// What is not the asker's doing: the log says it, too.
    fn fault(error: &anyhow::Error) -> Refusal {
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
