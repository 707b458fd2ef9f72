//! The real service, started and ended in this process.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

fn file(folder: &Path, control: &str) -> (Loaded, PathBuf) {
    let path = folder.join("faregate.toml");
    let text = format!(
        "[data]\ndirectory = \"{}\"\n[listen]\ncontrol = \"{control}\"\nops = \"127.0.0.1:0\"\n\
         [[listen.data]]\naddress = \"127.0.0.1:0\"\n\
         [[providers]]\nname = \"acme\"\n[providers.upstream]\naddresses = [\"http://127.0.0.1:9\"]\n\
         [[providers.routes]]\nname = \"quotes\"\npath = \"/q\"\nprice = \"$0.01\"\n",
        folder.join("data").display()
    );
    std::fs::write(&path, text).unwrap();
    (Config::load(&path).unwrap(), path)
}

#[tokio::test(flavor = "multi_thread")]
async fn c16_the_books_belong_to_one_service_until_it_has_ended() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let (loaded, path) = file(folder.path(), "127.0.0.1:0");
        let service = Service::start(loaded, path, Role::Both, Inherited::default()).await.unwrap();
        let client = crate::client::direct().unwrap();
        let url = format!("http://{}/q", service.addresses().data);
        assert_eq!(client.get(url).send().await.unwrap().status(), 402);

        let (loaded, path) = file(folder.path(), "127.0.0.1:0");
        let mode = std::fs::metadata(folder.path().join("data")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "others may read the books");
        let second =
            Service::start(loaded, path, Role::Both, Inherited::default()).await.err().unwrap().to_string();
        assert!(second.contains("belongs to the running process"), "{second}");
        service.ask_to_end();
        service.end().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_lets_go_of_everything() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (loaded, path) = file(folder.path(), &taken.local_addr().unwrap().to_string());
    let error =
        Service::start(loaded, path, Role::Both, Inherited::default()).await.err().unwrap().to_string();
    assert!(error.contains("cannot listen on"), "{error}");

    let (loaded, path) = file(folder.path(), "127.0.0.1:0");
    let service = Service::start(loaded, path, Role::Both, Inherited::default()).await.unwrap();
    service.ask_to_end();
    service.end().await.unwrap();
}
