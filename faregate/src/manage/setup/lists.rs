//! What is there, read over the API: lists to their end, and many single things at once.

use anyhow::Context;
use futures_util::{Stream, StreamExt, stream};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::manage::Api;
use crate::manage::input::Input;

/// Rows of a page.
const ROWS: usize = 500;

/// Single things that are asked for at the same time.
const CALLS_MAX: usize = 8;

/// All rows of a list.
pub(super) async fn all<T: DeserializeOwned>(api: &Api, path: &str) -> anyhow::Result<Vec<T>> {
    let list = Input::of(Method::GET, path, Vec::new());
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let mut page = api.ask(&list.page(Some(ROWS), after.as_deref())).await?;
        let rows: Vec<T> = serde_json::from_value(page["data"].take())
            .with_context(|| format!("{path} answers other rows"))?;
        found.extend(rows);
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            return Ok(found);
        }
    }
}

/// What is at these paths, in their order.
pub(super) fn each(
    api: &Api,
    paths: impl IntoIterator<Item = String>,
) -> impl Stream<Item = anyhow::Result<Value>> {
    let ask = async move |path: String| api.ask(&Input::of(Method::GET, &path, Vec::new())).await;
    stream::iter(paths).map(ask).buffered(CALLS_MAX)
}
