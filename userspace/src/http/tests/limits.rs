//! The bounds: time, size, number; and the end. On a paused clock, which jumps when nothing else can happen.

use std::future::pending;

use axum::body::Body;
use axum::http::StatusCode;
use axum::routing::{any, get};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::*;
use crate::http::server::{DRAIN_TIMEOUT, HEAD_TIMEOUT, WRITE_STALL_TIMEOUT};
use crate::metrics::LimitLabel;

const REQUEST: &str = "GET /proc HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer the-key\r\n";

async fn server(more: Router) -> Server {
    let mut setup = HttpSetup::new("/nonexistent");
    setup.more = more;
    setup.files = vec![case_file(42, "nginx", Vec::new())];
    setup.start().await
}

/// Waits for the server to close, and says how long it took on the paused clock.
async fn closed_after(stream: &mut TcpStream) -> Duration {
    let began = Instant::now();
    let mut rest = Vec::new();
    drop(stream.read_to_end(&mut rest).await);
    began.elapsed()
}

fn about(took: Duration, limit: Duration) -> bool {
    (limit..limit + Duration::from_millis(100)).contains(&took)
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_end_and_an_idle_connection_are_closed() {
    let server = server(Router::new().route("/now", get("now"))).await;
    for sent in ["", "GET / HT", REQUEST] {
        let mut stream = server.connect().await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        let took = closed_after(&mut stream).await;
        assert!(about(took, HEAD_TIMEOUT), "{sent:?}: {took:?}");
    }
    let mut stream = server.connect().await;
    let request = "GET /now HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer the-key\r\n\r\n";
    for _ in 0..2 {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"now") {
            assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0, "kept alive");
        }
    }
    let took = closed_after(&mut stream).await;
    assert!(about(took, HEAD_TIMEOUT), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_ended() {
    let more = Router::new()
        .route("/forever", any(pending::<StatusCode>))
        .route("/echo", post(async |body: Bytes| body));
    let server = server(more).await;
    let began = Instant::now();
    let answer = server.get("/forever").await;
    assert_eq!(answer.status, 503);
    assert!(answer.error().contains("30 s"));
    assert!(about(began.elapsed(), Duration::from_secs(30)));

    let began = Instant::now();
    let half = "POST /echo?key=the-key HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 9\r\n\r\nhalf";
    assert_eq!(server.raw(half).await.status, 503);
    assert!(about(began.elapsed(), Duration::from_secs(30)));
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let server = server(Router::new()).await;
    let fits = format!(r#"{{"pid": 42, "pad": "{}"}}"#, "x".repeat(60_000));
    assert_eq!(server.send("POST", "/analyze", "", &fits).await.status, 200);
    let large = format!(r#"{{"pid": 42, "pad": "{}"}}"#, "x".repeat(70_000));
    let answer = server.send("POST", "/analyze", "", &large).await;
    assert_eq!(answer.status, 413);
}

#[tokio::test]
async fn a_head_beyond_the_limit_is_refused() {
    let server = server(Router::new()).await;
    let answer = server.send("GET", "/proc", &format!("X: {}\r\n", "x".repeat(64 * 1024)), "").await;
    assert_eq!(answer.status, 431);
}

#[tokio::test]
async fn a_panic_ends_one_request() {
    let panics = async || -> StatusCode { panic!("on purpose") };
    let server = server(Router::new().route("/panic", get(panics))).await;
    for _ in 0..2 {
        let answer = server.get("/panic").await;
        assert_eq!(answer.status, 500);
        assert!(!answer.error().contains("on purpose"));
    }
    assert_eq!(server.bare("GET /healthz", "").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_cut_off() {
    const LARGE: usize = 64 * 1024 * 1024;
    let more = Router::new().route("/large", get(async || Body::from(vec![0_u8; LARGE])));
    let server = server(more).await;
    let mut stream = server.connect().await;
    let request = format!("GET /large?key={KEY} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(WRITE_STALL_TIMEOUT + Duration::from_secs(1)).await;
    let mut got = Vec::new();
    drop(stream.read_to_end(&mut got).await);
    assert!(got.len() < LARGE, "{}", got.len());
}

#[tokio::test]
async fn analyses_beyond_the_limit_are_turned_away() {
    let (metrics, monitor) =
        (Metrics::new(), Handle::fake(Vec::new(), vec![case_file(42, "nginx", Vec::new())]));
    let service = Arc::new(AnalyzeService::new(monitor, None, Arc::clone(&metrics), false));
    let (began, mut begins) = mpsc::channel(8);
    let go = Arc::new(Semaphore::new(0));
    let ask = || {
        let (service, began, go) = (Arc::clone(&service), began.clone(), Arc::clone(&go));
        tokio::spawn(async move {
            let judge = async |_: &CaseFile| {
                began.send(()).await.unwrap();
                go.acquire().await.unwrap().forget();
                verdict()
            };
            service.answer(br#"{"pid": 42}"#, judge).await.map_err(|error| error.status)
        })
    };
    let running: Vec<_> = (0..4).map(|_| ask()).collect();
    for _ in 0..4 {
        begins.recv().await.unwrap();
    }
    assert_eq!(ask().await.unwrap().unwrap_err(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(metrics.turned_away.get_or_create(&LimitLabel { limit: "http_analyze" }).get(), 1);
    go.add_permits(5);
    for each in running {
        assert!(each.await.unwrap().is_ok());
    }
    assert!(ask().await.unwrap().is_ok(), "the places are free again");
}

#[tokio::test(start_paused = true)]
async fn at_the_end_requests_under_way_finish_and_nothing_new_begins() {
    let (began, mut begins) = mpsc::channel(1);
    let go = Arc::new(Semaphore::new(0));
    let wait = |State((began, go)): State<(mpsc::Sender<()>, Arc<Semaphore>)>| async move {
        began.send(()).await.unwrap();
        go.acquire().await.unwrap().forget();
        "done"
    };
    let more = Router::new().route("/wait", get(wait)).with_state((began, Arc::clone(&go)));
    let server = server(more).await;
    let mut idle = server.connect().await;
    let mut busy = server.connect().await;
    busy.write_all(REQUEST.replace("/proc", "/wait").as_bytes()).await.unwrap();
    busy.write_all(b"\r\n").await.unwrap();
    begins.recv().await.unwrap();

    server.shutdown.cancel();
    assert!(closed_after(&mut idle).await <= DRAIN_TIMEOUT);
    assert!(TcpStream::connect(server.address).await.is_err());
    go.add_permits(1);
    let answer = Answer::read(&mut busy).await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"done".as_slice()));
    server.task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn at_the_end_nothing_holds_it_up_for_long() {
    let server = server(Router::new().route("/forever", any(pending::<StatusCode>))).await;
    let mut stuck = server.connect().await;
    stuck.write_all(REQUEST.replace("/proc", "/forever").as_bytes()).await.unwrap();
    stuck.write_all(b"\r\n").await.unwrap();
    let mut half = server.connect().await;
    half.write_all(b"GET / HT").await.unwrap();
    // An answered request says that the connections before it were accepted.
    assert_eq!(server.bare("GET /healthz", "").await.status, 200);
    let began = Instant::now();
    server.shutdown.cancel();
    server.task.await.unwrap().unwrap();
    assert!(began.elapsed() <= DRAIN_TIMEOUT + Duration::from_millis(100), "{:?}", began.elapsed());
    let mut rest = Vec::new();
    drop(stuck.read_to_end(&mut rest).await);
    assert!(rest.is_empty());
}
