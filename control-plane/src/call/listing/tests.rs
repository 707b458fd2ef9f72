//! Lists that are read whole: only so many at once.

use axum::body::to_bytes;
use axum::http::StatusCode;
use futures_util::StreamExt;

use super::*;

impl Row for u64 {
    const COLUMNS: &'static [&'static str] = &["number"];
}

fn lister(exports: &Places, tenant: &str) -> Lister {
    Lister { is_csv: true, exports: exports.clone(), tenant: Some(tenant.to_owned()) }
}

/// As many rows as are asked for, without an end; or, with `fails`, none.
async fn read(exports: &Places, tenant: &str, fails: bool) -> Result<Response, Problem> {
    let find = move |range: Range<u64>| async move {
        let first = range.after.unwrap_or(0);
        let last = first + u64::from(range.limit);
        if fails {
            Err(Problem::Internal)
        } else {
            Ok(Found { rows: (first..last).collect(), next: Some(last) })
        }
    };
    lister(exports, tenant).answer_pages(None, None, find).await
}

async fn expect_taken(exports: &Places, tenant: &str) {
    let refused = read(exports, tenant, false).await.expect_err("there is no place left");
    let response = refused.into_response();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
    let body = to_bytes(response.into_body(), LIMIT_MAX as usize).await.unwrap();
    let body = std::str::from_utf8(&body).unwrap();
    assert!(body.contains("\"overloaded\"") && body.contains("read whole as CSV"), "{body}");
}

#[tokio::test]
async fn a_tenant_reads_so_many_lists_whole_at_once_and_all_tenants_leave_the_operator_some() {
    let exports = Places::new(Shares { all: 5, operator: 2, tenant: 2 });
    let _own = [read(&exports, "a", false).await.unwrap(), read(&exports, "a", false).await.unwrap()];
    expect_taken(&exports, "a").await;
    let _other = read(&exports, "b", false).await.unwrap();
    expect_taken(&exports, "b").await;
    let operator = Lister { tenant: None, ..lister(&exports, "") };
    assert!(operator.answer_rows(None, None, vec![1_u64]).await.is_ok());
    // A page is none of them.
    assert!(lister(&exports, "a").answer_rows(Some(1), None, vec![1_u64]).await.is_ok());
    let page = Lister { is_csv: false, ..lister(&exports, "a") };
    assert!(page.answer_rows(None, None, vec![1_u64]).await.is_ok());
}

#[tokio::test]
async fn a_place_is_given_back_when_the_reader_goes_and_at_the_list_s_end_and_where_it_breaks_off() {
    let exports = Places::new(Shares { all: 1, operator: 0, tenant: 1 });
    let mut pages = read(&exports, "a", false).await.unwrap().into_body().into_data_stream();
    let first = pages.next().await.unwrap().unwrap();
    assert!(first.starts_with(b"number"));
    expect_taken(&exports, "a").await;
    drop(pages);

    let whole = lister(&exports, "a").answer_rows(None, None, vec![1_u64, 2]).await.unwrap();
    expect_taken(&exports, "a").await;
    let mut pages = whole.into_body().into_data_stream();
    while pages.next().await.is_some() {}
    let broken = read(&exports, "a", true).await.expect("read to its end, though nobody let go of it");

    let mut broken = broken.into_body().into_data_stream();
    assert!(broken.next().await.unwrap().is_err());
    assert!(read(&exports, "a", false).await.is_ok());
}
