//! H5: the configuration file is renamed over, edited in place, and swapped behind links as Kubernetes does it. Each change
//! is put in force once, without a signal; a file that is still being written never is.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use tests::{Request, Route, World};

/// Longer than two looks at the file. What must not happen cannot be awaited.
const TWO_LOOKS: Duration = Duration::from_millis(2_600);

const OK: &[(&str, &str)] = &[("result", "ok")];
const FAILED: &[(&str, &str)] = &[("result", "failed")];

async fn world() -> World {
    World::new("$1", ["/a", "/b", "/c"].map(|path| Route::new(path, "$0.001"))).await
}

/// The file that is in force, at another price.
fn at(world: &World, price: &str) -> String {
    world.gateway.config_text().replace("$0.001", price)
}

async fn price(world: &World, path: &str) -> String {
    let challenge = world.gateway.challenge(path).await.challenge();
    challenge["accepts"][0]["amount"].as_str().unwrap().to_owned()
}

/// Waits until a price is asked for, and that it took exactly so many reloads.
async fn in_force(world: &World, amount: &str, reloads: u64) {
    tests::wait::until(&format!("a price of {amount}"), || async {
        (price(world, "/a").await == amount).then_some(())
    })
    .await;
    world.gateway.counted("faregate_reloads_total", OK, reloads).await;
    assert_eq!(world.gateway.metrics().await.count("faregate_reloads_total", OK), reloads);
}

/// As a ConfigMap is mounted: the file links to `..data/<file>`, and `..data` to a folder that is never written again.
fn mount(file: &Path, generation: &str, text: &str) {
    let folder = file.parent().unwrap();
    let name = file.file_name().unwrap();
    fs::create_dir(folder.join(generation)).unwrap();
    fs::write(folder.join(generation).join(name), text).unwrap();
    symlink(generation, folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    if !file.is_symlink() {
        symlink(Path::new("..data").join(name), folder.join("link")).unwrap();
        fs::rename(folder.join("link"), file).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h5_a_rename_an_edit_and_swapped_links_are_each_seen_once() {
    let world = world().await;
    let file = world.gateway.config_path();
    world.gateway.overwrite(&at(&world, "$0.002"));
    in_force(&world, "2000", 1).await;
    fs::write(&file, at(&world, "$0.003")).unwrap();
    in_force(&world, "3000", 2).await;
    mount(&file, "..first", &at(&world, "$0.004"));
    in_force(&world, "4000", 3).await;
    mount(&file, "..second", &at(&world, "$0.005"));
    in_force(&world, "5000", 4).await;
    fs::remove_dir_all(file.parent().unwrap().join("..first")).unwrap();
    // The same text by another way is no change, and what was seen is not seen again.
    mount(&file, "..third", &at(&world, "$0.005"));
    tokio::time::sleep(TWO_LOOKS).await;
    in_force(&world, "5000", 4).await;
    world.gateway.signal(Signal::SIGHUP);
    in_force(&world, "5000", 5).await;
    assert_eq!(world.gateway.metrics().await.count("faregate_reloads_total", FAILED), 0);
    world.buy(&Request::get("/b")).await.expect_status(200);
    world.expect_balance(995_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h5_a_half_written_file_is_never_applied_however_long_it_stays() {
    let world = world().await;
    let (file, text) = (world.gateway.config_path(), at(&world, "$0.002"));
    let after_first_route = text.find("\n[[providers.routes]]\nname = \"b\"").unwrap();
    let in_a_word = text.find("\"/c\"").unwrap() + 2;
    // Nothing yet; broken off in a word; and a whole file, but for two of its three routes.
    for (failures, end) in [(1, 0), (2, in_a_word), (3, after_first_route)] {
        fs::write(&file, &text[..end]).unwrap();
        world.gateway.counted("faregate_reloads_total", FAILED, failures).await;
        for path in ["/a", "/b", "/c"] {
            assert_eq!(price(&world, path).await, "1000", "{path}, {end} bytes written");
        }
    }
    fs::write(&file, &text).unwrap();
    in_force(&world, "2000", 1).await;
    assert_eq!(world.gateway.metrics().await.count("faregate_reloads_total", FAILED), 3);
    world.finish().await;
}
